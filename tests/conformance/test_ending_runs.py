"""Terminating runs and requesting their cancellation."""

from __future__ import annotations

from tests.conformance.commands import (
    cancel_workflow,
    complete_workflow,
    schedule_activity,
    seconds,
    start_timer,
)
from tests.conformance.payloads import LINK, payloads
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World


@scenario(
    "rpc:TerminateWorkflowExecution",
    "event:WorkflowExecutionTerminated",
    *options(
        "TerminateWorkflowExecutionRequest",
        "namespace",
        "workflow_execution",
        "reason",
        "details",
        "identity",
        "links",
    ),
)
async def test_terminate_before_the_first_task_starts(world: World) -> None:
    run = await world.start()
    await world.terminate(run, "no longer needed", details=payloads("because", 1), links=[LINK])
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("rpc:TerminateWorkflowExecution")
async def test_terminate_while_a_task_is_in_flight(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.signal(run, "buffered")
    await world.terminate(run)
    await world.observe_error("late answer", world.raw.complete_workflow_task(task))
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("rpc:TerminateWorkflowExecution")
async def test_terminate_while_nothing_is_in_flight(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        start_timer("t", 1),
        schedule_activity("a", task_queue=world.task_queue, start_to_close=100),
    )
    await world.terminate(run)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))
    world.observe("the activity's queue", await world.raw.poll_activity_queue(wait=4))


@scenario("rpc:TerminateWorkflowExecution")
async def test_terminate_while_a_task_is_tried_again(world: World) -> None:
    run = await world.start()
    await world.raw.fail_workflow_task(await world.raw.poll_workflow_task())
    task = await world.raw.poll_workflow_task()
    await world.terminate(run)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))
    await world.observe_error("late answer", world.raw.complete_workflow_task(task))


@scenario("rpc:TerminateWorkflowExecution")
async def test_terminate_between_two_attempts_of_a_task(world: World) -> None:
    run = await world.start()
    await world.raw.fail_workflow_task(await world.raw.poll_workflow_task())
    await world.terminate(run)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("rpc:TerminateWorkflowExecution")
async def test_terminate_during_a_start_delay(world: World) -> None:
    run = await world.start(workflow_start_delay=seconds(100))
    await world.terminate(run)
    await world.observe_history("history", run)


@scenario("option:TerminateWorkflowExecutionRequest.first_execution_run_id")
async def test_terminate_by_the_first_run_of_a_chain(world: World) -> None:
    run = await world.start()
    await world.observe_error(
        "another chain",
        world.terminate(
            Run(run.workflow_id), first_execution_run_id="00000000-0000-4000-8000-000000000000"
        ),
    )
    await world.terminate(Run(run.workflow_id), first_execution_run_id=run.run_id)
    await world.observe_history("history", run)


@scenario("rpc:TerminateWorkflowExecution")
async def test_terminate_what_is_not_running(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(complete_workflow())
    await world.observe_error("completed", world.terminate(run))
    await world.observe_error("completed, without a run id", world.terminate(Run(run.workflow_id)))
    await world.observe_error("unknown workflow", world.terminate(Run("unknown")))
    await world.observe_error(
        "unknown run",
        world.terminate(Run(run.workflow_id, "00000000-0000-4000-8000-000000000000")),
    )


@scenario(
    "rpc:RequestCancelWorkflowExecution",
    "event:WorkflowExecutionCancelRequested",
    "event:WorkflowExecutionCanceled",
    "command:CancelWorkflowExecution",
    *options(
        "RequestCancelWorkflowExecutionRequest",
        "namespace",
        "workflow_execution",
        "identity",
        "reason",
        "links",
    ),
    *options("CancelWorkflowExecutionCommandAttributes", "details"),
)
async def test_a_run_is_cancelled(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task()
    await world.request_cancel(run, reason="changed my mind", links=[LINK])
    world.observe("requested", await world.describe(run))
    await world.observe_history("requested: history", run)
    await world.raw.run_workflow_task(cancel_workflow("cleaned", "up"))
    await world.observe_history("history", run)
    world.observe("cancelled", await world.describe(run))


@scenario("option:RequestCancelWorkflowExecutionRequest.request_id")
async def test_cancellation_is_requested_once(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task()
    await world.request_cancel(run, request_id="same")
    await world.request_cancel(run, request_id="same")
    await world.observe_error("another request", world.request_cancel(run, request_id="other"))
    task = await world.raw.poll_workflow_task()
    await world.observe_error("during the task", world.request_cancel(run, request_id="third"))
    await world.raw.complete_workflow_task(task)
    await world.observe_history("history", run)


@scenario("rpc:RequestCancelWorkflowExecution")
async def test_cancellation_is_requested_while_a_task_is_in_flight(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.request_cancel(run)
    world.observe("description", await world.describe(run))
    await world.observe_error(
        "completion", world.raw.complete_workflow_task(task, complete_workflow())
    )
    await world.observe_history("history", run)
    await world.raw.run_workflow_task(complete_workflow("anyway"))
    await world.observe_history("completed anyway", run)


@scenario("rpc:RequestCancelWorkflowExecution")
async def test_cancellation_before_the_first_task_starts(world: World) -> None:
    run = await world.start()
    await world.request_cancel(run)
    world.observe_task("task", await world.raw.poll_workflow_task())


@scenario("rpc:RequestCancelWorkflowExecution")
async def test_cancellation_of_what_is_not_running(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(complete_workflow())
    await world.observe_error("completed", world.request_cancel(run))
    await world.observe_error("without a run id", world.request_cancel(Run(run.workflow_id)))
    await world.observe_error("unknown workflow", world.request_cancel(Run("unknown")))
    await world.observe_error(
        "unknown run",
        world.request_cancel(Run(run.workflow_id, "00000000-0000-4000-8000-000000000000")),
    )
    await world.observe_history("history", run)


@scenario("option:RequestCancelWorkflowExecutionRequest.first_execution_run_id")
async def test_cancellation_by_the_first_run_of_a_chain(world: World) -> None:
    run = await world.start()
    await world.observe_error(
        "another chain",
        world.request_cancel(
            Run(run.workflow_id), first_execution_run_id="00000000-0000-4000-8000-000000000000"
        ),
    )
    await world.request_cancel(Run(run.workflow_id), first_execution_run_id=run.run_id)
    await world.observe_history("history", run)


@scenario("command:CancelWorkflowExecution")
async def test_a_run_cancels_itself_without_being_asked(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(cancel_workflow())
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))
