"""Updates that start the workflow they are for, if need be."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.workflowservice.v1 import (
    ExecuteMultiOperationRequest,
    ExecuteMultiOperationResponse,
    StartWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
)

from tests.conformance.commands import complete_workflow, seconds
from tests.conformance.operations import pause_run, unpause_run
from tests.conformance.refusals import UNKNOWN_RUN_ID
from tests.conformance.scenario import options, scenario
from tests.conformance.updates import (
    ACCEPTED,
    ADMITTED,
    accept,
    answer,
    begun,
    idle_run,
    reject,
    respond,
    update_request,
)
from tests.conformance.world import Run, World

USE_EXISTING = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
FAIL = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL
TERMINATE = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
REJECT = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE

Operation = ExecuteMultiOperationRequest.Operation


async def send(world: World, *operations: Operation) -> ExecuteMultiOperationResponse:
    """Execute these operations."""
    return await world.client.workflow_service.execute_multi_operation(
        ExecuteMultiOperationRequest(namespace=world.client.namespace, operations=operations),
        timeout=timedelta(seconds=20),
    )


def start_operation(request: StartWorkflowExecutionRequest) -> Operation:
    """The operation that starts a workflow."""
    return Operation(start_workflow=request)


def update_operation(request: UpdateWorkflowExecutionRequest) -> Operation:
    """The operation that updates a workflow."""
    return Operation(update_workflow=request)


async def update_with_start(
    world: World, update_id: str = "update", *, stage: Any = None, **fields: Any
) -> ExecuteMultiOperationResponse:
    """Update the workflow "order", starting it if need be; `fields` go into the start request."""
    options = {} if stage is None else {"stage": stage}
    start = world.start_request(**{"workflow_id_conflict_policy": USE_EXISTING, **fields})
    update = update_request(world, Run(start.workflow_id), update_id, **options)
    return await send(world, start_operation(start), update_operation(update))


@scenario(
    "rpc:ExecuteMultiOperation",
    *options("ExecuteMultiOperationRequest", "namespace", "operations"),
)
async def test_an_update_starts_its_workflow(world: World) -> None:
    call = await begun(update_with_start(world))
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    [message] = task.messages
    await answer(world, task, accept(message), respond(message, "done"))
    world.observe("answer", await call)
    world.observe("answer when asked again", await update_with_start(world))
    await world.observe_history("history", Run(world.unique("order")))


@scenario("rpc:ExecuteMultiOperation")
async def test_an_update_with_start_finds_its_workflow(world: World) -> None:
    run = await idle_run(world)
    call = await begun(update_with_start(world, stage=ACCEPTED))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    await answer(world, task, accept(message))
    world.observe("answer", await call)
    call = await begun(update_with_start(world, "rejected"))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    await answer(world, task, reject(message))
    world.observe("answer when rejected", await call)
    await world.observe_history("history", run)


@scenario()
async def test_an_update_with_start_meets_a_running_workflow(world: World) -> None:
    run = await idle_run(world)
    for policy in (0, FAIL):
        await world.observe_error(
            f"policy {policy}", update_with_start(world, workflow_id_conflict_policy=policy)
        )
    call = await begun(update_with_start(world, workflow_id_conflict_policy=TERMINATE))
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    [message] = task.messages
    await answer(world, task, accept(message), respond(message, "done"))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario()
async def test_an_update_with_start_meets_a_closed_workflow(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(complete_workflow())
    await world.closed(run)
    await world.observe_error("rejected", update_with_start(world, workflow_id_reuse_policy=REJECT))
    call = await begun(update_with_start(world))
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    [message] = task.messages
    await answer(world, task, accept(message), respond(message, "done"))
    world.observe("answer", await call)


@scenario()
async def test_a_workflow_that_was_started_for_an_update_ends(world: World) -> None:
    call = await begun(update_with_start(world))
    task = await world.raw.poll_workflow_task()
    await answer(world, task, commands=(complete_workflow(),))
    await world.observe_error("answer", call)


@scenario()
async def test_operations_that_cannot_be_executed(world: World) -> None:
    start = start_operation(world.start_request())
    update = update_operation(update_request(world, Run(world.unique("order"))))
    await world.observe_error("nothing", send(world))
    await world.observe_error("only a start", send(world, start))
    await world.observe_error("only an update", send(world, update))
    await world.observe_error("in the wrong order", send(world, update, start))


@scenario("rpc:ExecuteMultiOperation")
async def test_a_start_for_an_update_may_say_that_it_has_no_delay(world: World) -> None:
    call = await begun(update_with_start(world, workflow_start_delay=seconds(0)))
    task = await world.raw.poll_workflow_task()
    await answer(world, task, accept(task.messages[0]), respond(task.messages[0], "done"))
    world.observe("answer", await call)


@scenario("rpc:ExecuteMultiOperation", "rpc:PauseWorkflowExecution")
async def test_an_update_with_start_finds_a_paused_run(world: World) -> None:
    run = await idle_run(world)
    await pause_run(world, run)
    await world.observe_error("paused", update_with_start(world))
    await world.observe_error(
        "not to be used", update_with_start(world, workflow_id_conflict_policy=FAIL)
    )
    await world.observe_history("paused: history", run)
    await unpause_run(world, run)
    call = await begun(update_with_start(world, "after"))
    task = await world.raw.poll_workflow_task()
    await answer(world, task, accept(task.messages[0]), respond(task.messages[0], "done"))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario("rpc:ExecuteMultiOperation", "rpc:PauseWorkflowExecution")
async def test_an_update_with_start_takes_the_place_of_a_paused_run(world: World) -> None:
    run = await idle_run(world)
    await pause_run(world, run)
    call = await begun(update_with_start(world, workflow_id_conflict_policy=TERMINATE))
    task = await world.raw.poll_workflow_task()
    await answer(world, task, accept(task.messages[0]), respond(task.messages[0], "done"))
    world.observe("answer", await call)
    await world.observe_history("paused", run)


BAD_STARTS: Mapping[str, Mapping[str, Any]] = {
    "cron": {"cron_schedule": "* * * * *"},
    "eager": {"request_eager_execution": True},
    "delay": {"workflow_start_delay": seconds(1)},
    "no type": {"workflow_type": None},
    "another namespace": {"namespace": "temporal-system"},
    "another workflow": {"workflow_id": "another"},
}


@pytest.mark.parametrize("case", BAD_STARTS)
@scenario("rpc:ExecuteMultiOperation")
async def test_a_start_for_an_update_is_refused(world: World, case: str) -> None:
    await world.observe_error(
        "answer",
        send(
            world,
            start_operation(world.start_request(**BAD_STARTS[case])),
            update_operation(update_request(world, Run(world.unique("order")))),
        ),
    )


BAD_UPDATES: Mapping[str, Mapping[str, Any]] = {
    "first run": {"first_execution_run_id": UNKNOWN_RUN_ID},
    "admitted": {"stage": ADMITTED},
    "no request": {"request": None},
    "another namespace": {"namespace": "temporal-system"},
}


@pytest.mark.parametrize("case", BAD_UPDATES)
@scenario("rpc:ExecuteMultiOperation")
async def test_an_update_with_start_is_refused(world: World, case: str) -> None:
    await world.observe_error(
        "answer",
        send(
            world,
            start_operation(world.start_request()),
            update_operation(
                update_request(world, Run(world.unique("order")), **BAD_UPDATES[case])
            ),
        ),
    )
