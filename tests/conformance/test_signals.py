"""Signals, also those that start a workflow."""

from __future__ import annotations

from typing import Any

from temporalio.api.common.v1 import Priority, RetryPolicy, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    SignalWithStartWorkflowExecutionResponse,
)

from tests.conformance.commands import (
    complete_workflow,
    fail_workflow,
    schedule_activity,
    seconds,
    start_timer,
)
from tests.conformance.payloads import LINK, header, memo, payload, payloads, search_attributes
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World


async def signal_with_start(
    world: World, workflow: str = "order", **fields: Any
) -> SignalWithStartWorkflowExecutionResponse:
    """Signal a workflow, starting it if need be."""
    request: dict[str, Any] = {
        "namespace": world.client.namespace,
        "workflow_id": world.unique(workflow),
        "workflow_type": WorkflowType(name="Order"),
        "task_queue": TaskQueue(name=world.task_queue),
        "identity": "signaller",
        "request_id": world.unique("request"),
        "signal_name": "poke",
    }
    return await world.client.workflow_service.signal_with_start_workflow_execution(
        SignalWithStartWorkflowExecutionRequest(**{**request, **fields})
    )


@scenario(
    "rpc:SignalWorkflowExecution",
    "event:WorkflowExecutionSignaled",
    *options(
        "SignalWorkflowExecutionRequest",
        "namespace",
        "workflow_execution",
        "signal_name",
        "input",
        "identity",
        "header",
        "links",
    ),
)
async def test_a_signal_schedules_a_task(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task()
    answer = await world.signal(
        run, "poke", 1, "two", header=header(trace="t-1"), request_id="first", links=[LINK]
    )
    world.observe("answer", answer)
    await world.signal(Run(run.workflow_id), "without a run id")
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("rpc:SignalWorkflowExecution")
async def test_signals_before_the_first_task_starts(world: World) -> None:
    run = await world.start()
    await world.signal(run, "early")
    world.observe_task("task", await world.raw.poll_workflow_task())


@scenario("option:SignalWorkflowExecutionRequest.request_id")
async def test_a_signal_is_deduplicated_by_its_request_id(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task()
    await world.signal(run, "once", request_id="same")
    await world.signal(run, "once more", request_id="same")
    task = await world.raw.poll_workflow_task()
    await world.signal(run, "buffered", request_id="buffered")
    await world.signal(run, "buffered again", request_id="buffered")
    await world.raw.complete_workflow_task(task)
    await world.signal(run, "late", request_id="same")
    await world.observe_history("history", run)


@scenario("rpc:SignalWorkflowExecution", "event:WorkflowExecutionSignaled")
async def test_signals_during_a_task_come_after_its_commands(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.signal(run, "first")
    await world.signal(run, "second")
    await world.observe_history("in flight", run)
    world.observe("description in flight", await world.describe(run))
    await world.raw.complete_workflow_task(
        task,
        start_timer("t", 100),
        schedule_activity("a", task_queue=world.task_queue, start_to_close=100),
    )
    await world.observe_history("history", run)


@scenario("rpc:SignalWorkflowExecution")
async def test_signals_that_come_too_late(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(complete_workflow())
    await world.observe_error("closed", world.signal(run))
    await world.observe_error("closed, without a run id", world.signal(Run(run.workflow_id)))
    await world.observe_error("unknown workflow", world.signal(Run("unknown")))
    await world.observe_error(
        "unknown run",
        world.signal(Run(run.workflow_id, "00000000-0000-4000-8000-000000000000")),
    )
    await world.observe_history("history", run)


@scenario(
    "rpc:SignalWithStartWorkflowExecution",
    *options(
        "SignalWithStartWorkflowExecutionRequest",
        "namespace",
        "workflow_id",
        "workflow_type",
        "task_queue",
        "input",
        "workflow_execution_timeout",
        "workflow_run_timeout",
        "workflow_task_timeout",
        "identity",
        "signal_name",
        "signal_input",
        "retry_policy",
        "memo",
        "search_attributes",
        "header",
        "user_metadata",
        "priority",
        "links",
    ),
)
async def test_a_signal_starts_a_workflow(world: World) -> None:
    response = await signal_with_start(
        world,
        input=payloads("book"),
        signal_input=payloads("now"),
        header=header(trace="t-1"),
        memo=memo(customer="Ada"),
        search_attributes=search_attributes(ConformanceKeyword=("Keyword", "blue")),
        user_metadata=UserMetadata(summary=payload("an order")),
        priority=Priority(priority_key=2),
        workflow_execution_timeout=seconds(100),
        workflow_run_timeout=seconds(50),
        workflow_task_timeout=seconds(5),
        retry_policy=RetryPolicy(maximum_attempts=2),
        links=[LINK],
    )
    world.observe("answer", response)
    run = Run(world.unique("order"), response.run_id)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("rpc:SignalWithStartWorkflowExecution")
async def test_a_signal_with_start_reaches_the_running_workflow(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task()
    world.observe("answer", await signal_with_start(world, signal_input=payloads(1)))
    await world.observe_history("history", run)


@scenario("rpc:SignalWithStartWorkflowExecution")
async def test_a_signal_with_start_is_buffered_during_a_task(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    world.observe("answer", await signal_with_start(world))
    await world.raw.complete_workflow_task(task)
    await world.observe_history("history", run)


@scenario("option:SignalWithStartWorkflowExecutionRequest.request_id")
async def test_a_signal_with_start_is_deduplicated_by_its_request_id(world: World) -> None:
    first = await signal_with_start(world)
    world.observe("first", first)
    world.observe("again", await signal_with_start(world))
    await world.raw.run_workflow_task()
    world.observe("again after its task", await signal_with_start(world))
    world.observe("another", await signal_with_start(world, request_id="another"))
    run = Run(world.unique("order"), first.run_id)
    await world.observe_history("history", run)
    await world.terminate(run)
    world.observe("again after close", await signal_with_start(world))
    await world.observe_history("latest run", Run(run.workflow_id))


@scenario("option:SignalWithStartWorkflowExecutionRequest.workflow_start_delay")
async def test_a_signal_starts_a_workflow_after_a_delay(world: World) -> None:
    response = await signal_with_start(world, workflow_start_delay=seconds(100))
    run = Run(world.unique("order"), response.run_id)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))
    world.observe("again", await signal_with_start(world, request_id="another"))
    await world.observe_history("signalled again", run)


@scenario(
    "option:SignalWithStartWorkflowExecutionRequest.workflow_id_reuse_policy",
    "option:SignalWithStartWorkflowExecutionRequest.workflow_id_conflict_policy",
)
async def test_signal_with_start_policies(world: World) -> None:
    endings = {"running": None, "completed": complete_workflow(), "failed": fail_workflow()}
    for state, command in endings.items():
        for reuse in WorkflowIdReusePolicy.keys():  # noqa: SIM118 an enum wrapper, not a dict
            for conflict in WorkflowIdConflictPolicy.keys():  # noqa: SIM118
                name = f"{state}-{reuse}-{conflict}"
                run = await world.start(name)
                if command is not None:
                    await world.raw.run_workflow_task(command)
                await world.observe_error(
                    name,
                    signal_with_start(
                        world,
                        name,
                        workflow_id_reuse_policy=WorkflowIdReusePolicy.Value(reuse),
                        workflow_id_conflict_policy=WorkflowIdConflictPolicy.Value(conflict),
                    ),
                )
                await world.observe_history(f"{name}: the run that was there", run)
                await world.observe_history(f"{name}: the latest run", Run(run.workflow_id))
                latest = await world.describe(Run(run.workflow_id))
                if latest.HasField("pending_workflow_task"):
                    await world.raw.run_workflow_task()
