"""The end of a run whose history grows too long: what ends it, and what is left of the last change."""

from __future__ import annotations

from typing import Final

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import ParentClosePolicy

from tests.conformance.commands import (
    complete_workflow,
    continue_as_new,
    record_marker,
    request_cancel_external,
    schedule_activity,
    seconds,
    signal_external,
    start_child,
    start_timer,
)
from tests.conformance.low_limits import LIMITS
from tests.conformance.scenario import scenario
from tests.conformance.updates import accept, answer, begun, idle_run, update
from tests.conformance.world import Run, World

LOW: Final = "dev server with low limits"


async def fill(world: World, run: Run, *, leave: int = 0) -> None:
    """Signal an open run until its history has all events that it may have, but for a few."""
    length = len((await world.history(run)).events)
    for number in range(LIMITS.history_events - leave - length):
        await world.signal(run, f"signal-{number}")


def markers(count: int) -> list[Command]:
    return [record_marker(f"marker-{number}") for number in range(count)]


@scenario("event:WorkflowExecutionTerminated", "rpc:SignalWorkflowExecution", real=LOW)
async def test_signals_fill_a_history(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(*markers(20))
    await fill(world, run)
    await world.observe_error("the last one", world.signal(run, "last"))
    await world.observe_error("one too many", world.signal(run, "too many"))
    await world.observe_error("afterwards", world.signal(run, "afterwards"))
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario(
    "event:WorkflowExecutionTerminated",
    "event:WorkflowTaskFailed",
    differs="the version of the worker and the point to reset to, which the task had told, remain",
    real=LOW,
)
async def test_commands_fill_a_history(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    commands = [
        start_timer("timer", 60),
        schedule_activity("activity", task_queue=world.task_queue, start_to_close=10),
        start_child(world.unique("child")),
        *markers(LIMITS.history_events),
    ]
    await world.observe_error("answer", world.raw.complete_workflow_task(task, *commands))
    await world.observe_history("none is carried out", run)
    await world.observe_error("no child", world.describe(Run(world.unique("child"))))
    world.observe(
        "description",
        await world.describe(run),
        without=["auto_reset_points", "search_attributes"],
    )


@scenario("event:WorkflowExecutionTerminated", real=LOW)
async def test_buffered_events_fill_a_history(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(*markers(LIMITS.history_events - 8))
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    for number in range(3):
        await world.signal(run, f"buffered-{number}")
    await world.observe_error(
        "answer", world.raw.complete_workflow_task(task, *markers(2), start_timer("timer", 1))
    )
    await world.observe_history("history", run)


@scenario("event:WorkflowExecutionCompleted", "event:WorkflowExecutionContinuedAsNew", real=LOW)
async def test_a_run_that_closes_may_be_too_long(world: World) -> None:
    for name, command in {"complete": complete_workflow(), "continue": continue_as_new()}.items():
        run, worker = await world.start_apart(name)
        task = await worker.poll_workflow_task()
        await world.observe_error(
            name, worker.complete_workflow_task(task, *markers(LIMITS.history_events), command)
        )
        await world.observe_history(f"{name}: history", run)


@scenario("event:WorkflowExecutionTerminated", "event:WorkflowTaskStarted", real=LOW)
async def test_a_task_that_would_be_too_much_is_not_given_out(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.signal(run)
    await world.raw.complete_workflow_task(task, *markers(LIMITS.history_events - 6))
    await world.observe_history("full", run)
    world.observe("poll", await world.raw.poll_workflow_queue(wait=3))
    await world.observe_history("history", run)


@scenario("event:WorkflowExecutionTerminated", "event:WorkflowTaskFailed", real=LOW)
async def test_the_failure_of_a_task_is_too_much(world: World) -> None:
    run = await world.start()
    await fill(world, run, leave=LIMITS.history_events - 11)
    await world.raw.run_workflow_task(*markers(LIMITS.history_events - 16))
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    await world.observe_error("answer", world.raw.fail_workflow_task(task))
    await world.observe_history("history", run)


@scenario("event:WorkflowExecutionTerminated", "event:WorkflowTaskTimedOut", real=LOW)
async def test_the_timeout_of_a_task_is_too_much(world: World) -> None:
    run = await world.start(workflow_task_timeout=seconds(1))
    await world.raw.run_workflow_task(*markers(LIMITS.history_events - 7))
    await world.signal(run)
    await world.raw.poll_workflow_task()
    await world.observe_history("full", run)
    await world.pass_time(2)
    await world.observe_history("history", run)


@scenario("event:WorkflowExecutionTerminated", "event:TimerFired", real=LOW)
async def test_a_timer_is_too_much(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(start_timer("timer", 1), *markers(LIMITS.history_events - 5))
    await world.observe_history("full", run)
    await world.closed(run)
    await world.observe_history("history", run)


@scenario("event:WorkflowExecutionTerminated", "rpc:RespondActivityTaskCompleted", real=LOW)
async def test_the_end_of_an_activity_is_too_much(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("activity", task_queue=world.task_queue, start_to_close=10),
        *markers(LIMITS.history_events - 5),
    )
    task = await world.raw.poll_activity_task()
    await world.observe_error("answer", world.raw.complete_activity_task(task))
    await world.observe_history("history", run)


@scenario("event:WorkflowExecutionTerminated", "event:ChildWorkflowExecutionStarted", real=LOW)
async def test_the_start_of_a_child_is_too_much(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        start_child(world.unique("child")), *markers(LIMITS.history_events - 5)
    )
    await world.closed(run)
    await world.observe_history("history", run)
    child = Run(world.unique("child"))
    await world.closed(child)
    await world.observe_history("child", child)


@scenario("event:WorkflowExecutionTerminated", "rpc:RequestCancelWorkflowExecution", real=LOW)
async def test_requests_to_a_run_that_is_too_long(world: World) -> None:
    cancelled, worker = await world.start_apart("cancelled")
    await worker.run_workflow_task(*markers(LIMITS.history_events - 10))
    await fill(world, cancelled)
    await world.observe_error("cancel", world.request_cancel(cancelled))
    await world.observe_history("cancelled", cancelled)
    terminated, worker = await world.start_apart("terminated")
    await worker.run_workflow_task(*markers(LIMITS.history_events - 10))
    await fill(world, terminated)
    await world.observe_error("terminate", world.terminate(terminated))
    await world.observe_history("terminated", terminated)


@scenario("event:WorkflowExecutionTerminated", "rpc:UpdateWorkflowExecution", real=LOW)
async def test_an_update_is_too_much(world: World) -> None:
    run = await idle_run(world)
    await world.signal(run)
    await world.raw.run_workflow_task(*markers(LIMITS.history_events - 11))
    waiting = await begun(update(world, run))
    task = await world.raw.poll_workflow_task()
    await world.observe_error("answer", answer(world, task, accept(task.messages[0])))
    await world.observe_history("history", run)
    await world.observe_error("update", waiting)


@scenario(
    "event:SignalExternalWorkflowExecutionFailed",
    "event:ExternalWorkflowExecutionCancelRequested",
    real=LOW,
)
async def test_another_run_reaches_out_to_one_that_is_full(world: World) -> None:
    for name, command in {"signal": signal_external, "cancel": request_cancel_external}.items():
        full, worker = await world.start_apart(f"{name}-full")
        await worker.run_workflow_task(*markers(LIMITS.history_events - 4))
        _, worker = await world.start_apart(name)
        reach_out = (
            signal_external(full.workflow_id, "poke")
            if command is signal_external
            else request_cancel_external(full.workflow_id)
        )
        await worker.run_workflow_task(reach_out)
        world.observe_task(f"{name}: told", await worker.poll_workflow_task(wait=30))
        await world.observe_history(f"{name}: full", full)


@scenario("event:WorkflowExecutionTerminated", real=LOW)
async def test_a_parent_that_closes_asks_a_full_child_to_cancel(world: World) -> None:
    parent, worker = await world.start_apart("parent")
    child_queue = world.unique("child")
    await worker.run_workflow_task(
        start_child(
            world.unique("child"),
            parent_close_policy=ParentClosePolicy.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
        )
    )
    child = Run(child_queue)
    task = await worker.poll_workflow_task()
    while task.workflow_execution.workflow_id != child.workflow_id:
        await worker.complete_workflow_task(task)
        task = await worker.poll_workflow_task()
    await worker.complete_workflow_task(task, *markers(LIMITS.history_events - 4))
    await world.terminate(parent)
    await world.closed(child)
    await world.observe_history("child", child)


@scenario("event:WorkflowExecutionTerminated", "rpc:SignalWorkflowExecution", real=LOW)
async def test_signals_are_too_large_for_a_history(world: World) -> None:
    run = await world.start()
    for number in range(7):
        await world.observe_error(
            f"signal {number}", world.signal(run, f"signal-{number}", "x" * 14_000)
        )
    await world.observe_history("history", run)


@scenario("event:WorkflowExecutionTerminated", "event:WorkflowTaskFailed", real=LOW)
async def test_the_change_after_a_large_one_ends_a_run(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    large = [record_marker(f"large-{number}", data="x" * 14_000) for number in range(5)]
    await world.observe_error("answer", world.raw.complete_workflow_task(task, *large))
    await world.observe_error("signal", world.signal(run))
    await world.observe_history("history", run)
