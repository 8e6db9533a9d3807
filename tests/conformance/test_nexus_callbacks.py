"""Nexus operations that workflows carry out: callbacks, and what is told by them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Callback, Link
from temporalio.api.enums.v1 import (
    CallbackState,
    EventType,
    WorkflowIdConflictPolicy,
)
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflow.v1 import OnConflictOptions
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from tests.conformance.commands import (
    cancel_workflow,
    complete_workflow,
    continue_as_new,
    fail_workflow,
    schedule_nexus_operation,
    seconds,
)
from tests.conformance.nexus import (
    begun,
    callback_of,
    create_endpoint,
    observe_operations,
    result,
    start_handler,
    start_operation,
    until_operation,
)
from tests.conformance.payloads import payloads
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World

SCHEDULE = "command:ScheduleNexusOperation"
CALLBACK = "option:StartWorkflowExecutionRequest.completion_callbacks"

COMPLETED = EventType.EVENT_TYPE_NEXUS_OPERATION_COMPLETED
STARTED = EventType.EVENT_TYPE_NEXUS_OPERATION_STARTED
OPEN = (CallbackState.CALLBACK_STATE_STANDBY, CallbackState.CALLBACK_STATE_SCHEDULED)

#: To the event of the caller.
LINK = Link(
    workflow_event=Link.WorkflowEvent(
        namespace="default",
        workflow_id="caller",
        run_id="run",
        event_ref=Link.WorkflowEvent.EventReference(
            event_id=5, event_type=EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED
        ),
    )
)


async def observe_callbacks(world: World, label: str, run: Run) -> None:
    """Note the callbacks of a run."""
    description = await world.describe(run)
    for number, callback in enumerate(
        sorted(
            description.callbacks,
            key=lambda each: each.callback.nexus.header["nexus-operation-token"],
        )
    ):
        world.observe(f"{label}: callback {number}", callback)


async def until_called_back(world: World, run: Run) -> None:
    """Wait until a run that has closed has told so."""
    while any(each.state in OPEN for each in (await world.describe(run)).callbacks):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


ENDS: Mapping[str, Command] = {
    "completed": complete_workflow("a cup"),
    "completed with nothing": complete_workflow(),
    "completed with two results": complete_workflow("a cup", "of tea"),
    "failed": fail_workflow(
        Failure(
            message="sold out",
            stack_trace="line 7",
            application_failure_info=ApplicationFailureInfo(
                type="SoldOut", details=payloads("details")
            ),
            cause=Failure(message="why", application_failure_info=ApplicationFailureInfo()),
        )
    ),
    "cancelled": cancel_workflow("details"),
    "cancelled without details": cancel_workflow(),
}


@pytest.mark.parametrize("end", ENDS)
@scenario(
    SCHEDULE,
    CALLBACK,
    "event:NexusOperationCompleted",
    "event:NexusOperationFailed",
    "event:NexusOperationCanceled",
    *options("Nexus", "url", "header"),
)
async def test_the_end_of_a_handlers_workflow_ends_the_operation(world: World, end: str) -> None:
    run, task = await start_operation(world)
    handler, worker = await start_handler(world, task, links=[LINK])
    await world.raw.complete_nexus_task(task, begun())
    await world.raw.run_workflow_task()
    await observe_callbacks(world, "open", handler)
    await worker.run_workflow_task(ENDS[end])
    await world.raw.poll_workflow_task()
    await until_called_back(world, handler)
    await observe_callbacks(world, "closed", handler)
    await world.observe_history("caller", run)
    await world.observe_history("handler", handler)


@scenario(SCHEDULE, CALLBACK)
async def test_callbacks_may_carry_links(world: World) -> None:
    _, task = await start_operation(world)
    callback = callback_of(task)
    callback.links.append(LINK)
    other = Link()
    other.CopyFrom(LINK)
    other.workflow_event.event_ref.event_id = 6
    run = await world.start("handler", completion_callbacks=[callback], links=[LINK, other])
    request = world.start_request(
        "handler",
        completion_callbacks=[callback],
        links=[other, LINK],
        request_id="attached",
        workflow_id_conflict_policy=(
            WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
        ),
        on_conflict_options=OnConflictOptions(
            attach_request_id=True, attach_completion_callbacks=True, attach_links=True
        ),
    )
    await world.start_with(request)
    await observe_callbacks(world, "open", run)
    await world.observe_history("handler", run)


@scenario(SCHEDULE, CALLBACK)
async def test_a_handlers_workflow_is_terminated(world: World) -> None:
    run, task = await start_operation(world)
    handler, _ = await start_handler(world, task)
    await world.raw.complete_nexus_task(task, begun())
    await world.raw.run_workflow_task()
    await world.terminate(handler)
    await world.raw.poll_workflow_task()
    await world.observe_history("caller", run)


@scenario(SCHEDULE, CALLBACK)
async def test_a_handlers_workflow_times_out(world: World) -> None:
    run, task = await start_operation(world)
    handler, _ = await start_handler(world, task, workflow_run_timeout=seconds(1.5))
    await world.raw.complete_nexus_task(task, begun())
    await world.raw.run_workflow_task()
    await world.raw.poll_workflow_task()
    await until_called_back(world, handler)
    await world.observe_history("caller", run)


@scenario(SCHEDULE, CALLBACK)
async def test_only_the_last_run_of_a_chain_tells_its_end(world: World) -> None:
    run, task = await start_operation(world)
    handler, worker = await start_handler(world, task, links=[LINK])
    await world.raw.complete_nexus_task(task, begun())
    await world.raw.run_workflow_task()
    await worker.run_workflow_task(continue_as_new())
    last = Run(handler.workflow_id)
    next_task = await worker.poll_workflow_task()
    await observe_callbacks(world, "next", last)
    await worker.complete_workflow_task(next_task, complete_workflow("a cup"))
    await world.raw.poll_workflow_task()
    await until_called_back(world, last)
    await observe_callbacks(world, "first", handler)
    await observe_callbacks(world, "last", last)
    await world.observe_history("caller", run)
    await world.observe_history("last run", last)


@pytest.mark.parametrize("token", ["token", ""])
@scenario(SCHEDULE, CALLBACK, "event:NexusOperationStarted")
async def test_an_operation_ends_before_its_start_was_answered(world: World, token: str) -> None:
    run, task = await start_operation(world)
    handler, worker = await start_handler(world, task, token)
    await worker.run_workflow_task(complete_workflow("a cup"))
    await world.raw.poll_workflow_task()
    await world.observe_error("answer", world.raw.complete_nexus_task(task, begun()))
    await until_called_back(world, handler)
    await observe_callbacks(world, "closed", handler)
    await world.observe_history("caller", run)


@scenario(
    SCHEDULE,
    CALLBACK,
    *options("OnConflictOptions", "attach_completion_callbacks", "attach_links"),
    *options("OnConflictOptions", "attach_request_id"),
)
async def test_a_workflow_carries_out_two_operations(world: World) -> None:
    endpoint = await create_endpoint(world)
    run = await world.start()
    for _ in range(2):
        await world.raw.run_workflow_task(schedule_nexus_operation(endpoint.spec.name))
        await world.signal(run)
    first, second = [await world.raw.poll_nexus_task() for _ in range(2)]
    if first.request.start_operation.links[0].url > second.request.start_operation.links[0].url:
        first, second = second, first
    handler, worker = await start_handler(world, first, "token 1")
    conflict = {
        "workflow_id_conflict_policy": (
            WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
        ),
        "links": [LINK],
        "request_id": second.request.start_operation.request_id,
        "completion_callbacks": [callback_of(second, "token 2")],
    }
    attach = OnConflictOptions(
        attach_request_id=True, attach_completion_callbacks=True, attach_links=True
    )
    request = world.start_request("handler", **conflict)
    world.observe("not attached", await world.start_with(request))
    request.request_id = "attached"
    request.on_conflict_options.CopyFrom(attach)
    world.observe("attached", await world.start_with(request))
    world.observe("attached again", await world.start_with(request))
    await observe_callbacks(world, "both", handler)
    await worker.run_workflow_task(complete_workflow("a cup"))
    await until_called_back(world, handler)
    await observe_callbacks(world, "closed", handler)
    await world.observe_history("handler", handler)
    await observe_operations(world, "caller", run)


@scenario(CALLBACK)
async def test_the_caller_has_closed(world: World) -> None:
    run, task = await start_operation(world)
    handler, worker = await start_handler(world, task)
    await world.raw.complete_nexus_task(task, begun())
    await world.until_event(run, STARTED)
    await world.terminate(run)
    await worker.run_workflow_task(complete_workflow("a cup"))
    await until_called_back(world, handler)
    await observe_callbacks(world, "closed", handler)
    await world.observe_history("caller", run)


@scenario(CALLBACK)
async def test_the_operation_is_over(world: World) -> None:
    run, task = await start_operation(world)
    handler, worker = await start_handler(world, task)
    await world.raw.complete_nexus_task(task, result("a glass"))
    await world.until_event(run, COMPLETED)
    await worker.run_workflow_task(complete_workflow("a cup"))
    await until_called_back(world, handler)
    await observe_callbacks(world, "closed", handler)
    await world.observe_history("caller", run)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"temporal-callback-token": "nonsense"},
        {"temporal-callback-token": '{"v":1,"d":"bm9uc2Vuc2U="}'},
        {"Temporal-Callback-Token": "{}", "Other": "x"},
    ],
    ids=["none", "nonsense", "nonsense inside", "capitals"],
)
@scenario(CALLBACK)
async def test_callbacks_about_no_operation(world: World, header: dict[str, str]) -> None:
    callback = Callback(nexus=Callback.Nexus(url="temporal://system", header=header))
    run = await world.start(completion_callbacks=[callback])
    await world.raw.run_workflow_task(complete_workflow())
    await until_called_back(world, run)
    description = await world.describe(run)
    world.observe("callback", description.callbacks[0])
    await world.observe_history("history", run)


@pytest.mark.parametrize("count", [2000, 2001])
@scenario(CALLBACK)
async def test_more_callbacks_than_are_allowed(world: World, count: int) -> None:
    callback = Callback(nexus=Callback.Nexus(url="temporal://system"))
    request = world.start_request(completion_callbacks=[callback] * count)
    await world.observe_error("start", world.start_with(request))


@scenario(CALLBACK)
async def test_other_addresses_of_the_server(world: World) -> None:
    for url in ("temporal://other", "temporal://system/"):
        callback = Callback(nexus=Callback.Nexus(url=url))
        request = world.start_request(completion_callbacks=[callback])
        await world.observe_error(url, world.start_with(request))


async def reset(world: World, run: Run, finish_event_id: int, **fields: Any) -> Run:
    """Reset a run to before this event."""
    response = await world.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=world.client.namespace,
            workflow_execution=run.execution,
            reason="again",
            request_id="reset",
            workflow_task_finish_event_id=finish_event_id,
            **fields,
        )
    )
    return Run(run.workflow_id, response.run_id)


@scenario(SCHEDULE, CALLBACK, "rpc:ResetWorkflowExecution")
async def test_an_operation_goes_on_after_a_reset_of_its_caller(world: World) -> None:
    run, task = await start_operation(world)
    handler, worker = await start_handler(world, task)
    await world.raw.complete_nexus_task(task, begun())
    await world.raw.run_workflow_task()
    after = await reset(world, run, 9)
    await observe_operations(world, "after the reset", after)
    await worker.run_workflow_task(complete_workflow("a cup"))
    await until_called_back(world, handler)
    await observe_callbacks(world, "closed", handler)
    await world.until_event(after, COMPLETED)
    await world.observe_history("caller", after)


@scenario(SCHEDULE, "rpc:ResetWorkflowExecution")
async def test_an_operation_that_has_not_begun_is_started_again_after_a_reset(world: World) -> None:
    run, task = await start_operation(world)
    await world.signal(run)
    await world.raw.run_workflow_task()
    after = await reset(world, run, 9)
    again = await world.raw.poll_nexus_task()
    world.observe(
        "the same request",
        again.request.start_operation.request_id == task.request.start_operation.request_id,
    )
    await world.raw.complete_nexus_task(again, begun())
    await until_operation(world, after, lambda each: bool(each.operation_token))
    await world.observe_history("caller", after)


@scenario(SCHEDULE, "rpc:ResetWorkflowExecution")
async def test_the_result_of_an_operation_is_told_again_after_a_reset(world: World) -> None:
    endpoint = await create_endpoint(world)
    run = await world.start()
    await world.raw.run_workflow_task(schedule_nexus_operation(endpoint.spec.name))
    task = await world.raw.poll_nexus_task()
    await world.signal(run)
    await world.raw.run_workflow_task()
    await world.raw.complete_nexus_task(task, result("a cup"))
    await world.raw.run_workflow_task()
    after = await reset(world, run, 9)
    await world.observe_history("caller", after)
