"""What happens at the limits of a run: how much may be open, and how much it may be told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import uuid4

import pytest
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    SignalWithStartWorkflowExecutionResponse,
)

from tests.conformance.commands import (
    cancel_timer,
    complete_workflow,
    request_cancel_activity,
    request_cancel_external,
    schedule_activity,
    signal_external,
    start_child,
    start_timer,
)
from tests.conformance.low_limits import LIMITS
from tests.conformance.payloads import memo, payloads
from tests.conformance.scenario import scenario
from tests.conformance.updates import (
    ACCEPTED,
    accept,
    answer,
    begun,
    idle_run,
    reject,
    respond,
    update,
)
from tests.conformance.world import Run, World

LOW: Final = "dev server with low limits"


def activity(world: World, number: int) -> Command:
    """An activity; only the first one is for the scenario's own worker."""
    return schedule_activity(
        f"activity-{number}",
        task_queue=world.unique("elsewhere") if number else world.task_queue,
        start_to_close=10,
    )


def child(world: World, number: int) -> Command:
    return start_child(world.unique(f"child-{number}"))


def signal(world: World, number: int) -> Command:
    return signal_external(world.unique(f"other-{number}"), "poke")


def cancel(world: World, number: int) -> Command:
    return request_cancel_external(world.unique(f"other-{number}"))


@scenario(
    "command:ScheduleActivityTask",
    "command:StartChildWorkflowExecution",
    "command:SignalExternalWorkflowExecution",
    "command:RequestCancelExternalWorkflowExecution",
    "event:WorkflowTaskFailed",
    real=LOW,
)
@pytest.mark.parametrize("kind", [activity, child, signal, cancel])
async def test_too_much_is_opened_by_one_task(
    world: World, kind: Callable[[World, int], Command]
) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    commands = [kind(world, number) for number in range(3)]
    await world.observe_error("answer", world.raw.complete_workflow_task(task, *commands))
    await world.observe_history("nothing is opened", run)
    again = await world.raw.poll_workflow_task()
    await world.observe_error("answer again", world.raw.complete_workflow_task(again, *commands))
    await world.observe_history("the same", run)


@scenario("command:ScheduleActivityTask", real=LOW)
async def test_activities_of_earlier_tasks_count(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(activity(world, 0), activity(world, 1))
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    await world.observe_error("answer", world.raw.complete_workflow_task(task, activity(world, 2)))
    done = await world.raw.poll_activity_task()
    await world.raw.complete_activity_task(done)
    await world.raw.run_workflow_task(activity(world, 2))
    await world.observe_history("there is room once one is done", run)


@scenario("command:ScheduleActivityTask", "command:RequestCancelActivityTask", real=LOW)
async def test_cancelling_what_has_not_started_makes_room(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        activity(world, 0),
        activity(world, 1),
        request_cancel_activity(5),
        request_cancel_activity(6),
        activity(world, 2),
        activity(world, 3),
    )
    await world.observe_history("all are scheduled", run)


@scenario("command:ScheduleActivityTask", "command:RequestCancelActivityTask", real=LOW)
async def test_cancelling_what_has_started_makes_no_room(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(activity(world, 0), activity(world, 1))
    await world.raw.poll_activity_task()
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    await world.observe_error(
        "answer",
        world.raw.complete_workflow_task(task, request_cancel_activity(5), activity(world, 2)),
    )
    await world.observe_history("not even cancelled", run)


@scenario("command:ScheduleActivityTask", real=LOW)
async def test_the_number_is_looked_at_before_the_id(world: World) -> None:
    twice = [activity(world, 0), activity(world, 1), activity(world, 0)]
    bad = [activity(world, 0), activity(world, 1), activity(world, 2)]
    bad[2].schedule_activity_task_command_attributes.activity_id = ""
    for name, commands in {"twice": twice, "bad": bad}.items():
        run, worker = await world.start_apart(name)
        task = await worker.poll_workflow_task()
        await world.observe_error(name, worker.complete_workflow_task(task, *commands))
        await world.observe_history(f"{name}: history", run)


async def signal_to_the_limit(world: World, run: Run) -> None:
    for number in range(LIMITS.signals):
        await world.signal(run, f"signal-{number}", request_id=f"signal-{number}")


@scenario(
    "rpc:SignalWorkflowExecution",
    "rpc:SignalWithStartWorkflowExecution",
    "event:SignalExternalWorkflowExecutionFailed",
    real=LOW,
)
async def test_a_run_is_signalled_too_often(world: World) -> None:
    run = await world.start()
    await signal_to_the_limit(world, run)
    await world.observe_error("one more", world.signal(run))
    await world.observe_error(
        "the first one again", world.signal(run, "signal-0", request_id="signal-0")
    )
    await world.observe_error("with start", signal_with_start(world, run))
    sender, worker = await world.start_apart("sender")
    task = await worker.poll_workflow_task()
    await worker.complete_workflow_task(task, signal_external(run.workflow_id, "poke"))
    await worker.poll_workflow_task()
    await world.observe_history("from another run", sender)
    await world.observe_history("history", run)


@scenario("rpc:SignalWorkflowExecution", real=LOW)
async def test_buffered_signals_count(world: World) -> None:
    run = await world.start()
    for number in range(LIMITS.signals - 2):
        await world.signal(run, f"signal-{number}")
    task = await world.raw.poll_workflow_task()
    await world.signal(run, "buffered")
    await world.signal(run, "buffered too")
    await world.observe_error("one more", world.signal(run))
    await world.observe_error(
        "completed with news", world.raw.complete_workflow_task(task, complete_workflow())
    )
    await world.observe_history("history", run)


async def signal_with_start(world: World, run: Run) -> SignalWithStartWorkflowExecutionResponse:
    return await world.client.workflow_service.signal_with_start_workflow_execution(
        SignalWithStartWorkflowExecutionRequest(
            namespace=world.client.namespace,
            workflow_id=run.workflow_id,
            workflow_type=WorkflowType(name="Order"),
            task_queue=TaskQueue(name=world.task_queue),
            signal_name="poke",
            request_id=str(uuid4()),
        )
    )


@scenario("rpc:UpdateWorkflowExecution", real=LOW)
async def test_a_run_is_updated_too_often(world: World) -> None:
    run = await idle_run(world)
    for number in range(LIMITS.updates - 1):
        await _update_once(world, run, f"update-{number}")
    rejected = await begun(update(world, run, "rejected"))
    task = await world.raw.poll_workflow_task()
    await answer(world, task, *map(reject, task.messages))
    await rejected
    last = await begun(update(world, run, "last"))
    await world.observe_error("while the last is in flight", update(world, run, "one more"))
    task = await world.raw.poll_workflow_task()
    await answer(world, task, accept(task.messages[0]), respond(task.messages[0], "done"))
    await last
    await world.observe_error("one more", update(world, run, "one more"))
    await world.observe_error("an old one", update(world, run, "update-0"))


async def _update_once(world: World, run: Run, update_id: str) -> None:
    call = await begun(update(world, run, update_id))
    task = await world.raw.poll_workflow_task()
    started = task.history.events[-1].workflow_task_started_event_attributes
    world.observe(update_id, started, without=["identity", "request_id"])
    await answer(world, task, accept(task.messages[0]), respond(task.messages[0], "done"))
    await call


@scenario("rpc:UpdateWorkflowExecution", real=LOW)
async def test_updates_in_flight_are_too_large_together(world: World) -> None:
    run = await idle_run(world)
    await world.observe_error("alone", update(world, run, "large", "x" * 3_000))
    first = await begun(update(world, run, "first", "x" * 2_000, stage=ACCEPTED))
    await world.observe_error("together", update(world, run, "second", "x" * 2_000))
    task = await world.raw.poll_workflow_task()
    await answer(world, task, accept(task.messages[0]))
    await first
    second = await begun(update(world, run, "second", "x" * 2_000))
    both = await world.raw.poll_workflow_task()
    world.observe("once the first is accepted", len(both.messages))
    await answer(world, both, accept(both.messages[0]), respond(both.messages[0], "done"))
    await second


@scenario(
    "event:WorkflowTaskStarted",
    real=LOW,
)
async def test_continuing_as_new_is_suggested(world: World) -> None:
    large, worker = await world.start_apart("large", input=payloads("x" * 30_000))
    task = await worker.poll_workflow_task()
    await world.observe_history("by size", large)
    await worker.complete_workflow_task(task)
    long, worker = await world.start_apart("long")
    for number in range(17):
        await world.signal(long, f"signal-{number}")
    await worker.poll_workflow_task()
    await world.observe_history("by count", long)
    short, worker = await world.start_apart("short")
    for number in range(16):
        await world.signal(short, f"signal-{number}")
    await worker.poll_workflow_task()
    await world.observe_history("not yet", short)


@scenario("event:WorkflowTaskFailed", "rpc:SignalWorkflowExecution", real=LOW)
async def test_too_much_happens_during_a_workflow_task(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    for number in range(LIMITS.buffered_events):
        await world.signal(run, f"signal-{number}")
    await world.observe_history("all is buffered", run)
    await world.signal(run, "one too many")
    await world.observe_history("the task has failed", run)
    description = await world.describe(run)
    world.observe("description", description)
    await world.observe_error("answer", world.raw.complete_workflow_task(task))
    await world.signal(run, "afterwards")
    again = await world.raw.poll_workflow_task()
    world.observe_task("next task", again)
    await world.raw.complete_workflow_task(again, complete_workflow())
    await world.observe_history("history", run)


@scenario("event:WorkflowTaskFailed", "rpc:SignalWorkflowExecution", real=LOW)
async def test_too_large_events_happen_during_a_workflow_task(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.signal(run, "small")
    await world.signal(run, "large", "x" * 6_000)
    await world.observe_history("all is buffered", run)
    await world.signal(run, "large", "x" * 6_000)
    await world.observe_history("the task has failed", run)
    await world.observe_error("answer", world.raw.complete_workflow_task(task))
    world.observe_task("next task", await world.raw.poll_workflow_task())


@scenario("rpc:RecordActivityTaskHeartbeat", "event:WorkflowExecutionTerminated", real=LOW)
async def test_heartbeats_are_too_large_together(world: World) -> None:
    run = await world.start(memo=memo(customer="x" * 15_000))
    await world.raw.run_workflow_task(
        *(
            schedule_activity(name, task_queue=world.task_queue, start_to_close=100)
            for name in ("one", "other")
        )
    )
    first, second = [await world.raw.poll_activity_task() for _ in range(2)]
    large = "x" * 15_000
    world.observe("of one", await world.raw.heartbeat(first, large))
    world.observe("again", await world.raw.heartbeat(first, large))
    await world.observe_error("of the other", world.raw.heartbeat(second, large))
    await world.observe_error("afterwards", world.raw.heartbeat(first, "alive"))
    await world.observe_history("history", run)


@scenario("rpc:RecordActivityTaskHeartbeat", "event:WorkflowTaskFailed", real=LOW)
async def test_a_heartbeat_is_too_large_while_a_workflow_task_is_in_flight(world: World) -> None:
    run = await world.start(memo=memo(customer="x" * 30_000))
    await world.raw.run_workflow_task(activity(world, 0))
    beating = await world.raw.poll_activity_task()
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    await world.signal(run, "buffered")
    await world.observe_error("heartbeat", world.raw.heartbeat(beating, "x" * 15_000))
    await world.observe_error("answer", world.raw.complete_workflow_task(task))
    await world.observe_history("history", run)


@scenario("event:WorkflowTaskFailed", "event:TimerFired", real=LOW)
async def test_a_timer_is_too_much_for_a_workflow_task(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(start_timer("timer", 1))
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    for number in range(LIMITS.buffered_events):
        await world.signal(run, f"signal-{number}")
    await world.pass_time(1.5)
    await world.observe_history("the task has failed", run)
    await world.observe_error(
        "answer", world.raw.complete_workflow_task(task, cancel_timer("timer"))
    )
    world.observe_task("next task", await world.raw.poll_workflow_task())
