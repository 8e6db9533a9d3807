"""Requests to cancel an activity, at each moment of its life."""

from __future__ import annotations

from temporalio.api.common.v1 import RetryPolicy

from tests.conformance.commands import (
    complete_workflow,
    request_cancel_activity,
    schedule_activity,
    seconds,
)
from tests.conformance.payloads import canceled_failure
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World


async def start_activity(world: World) -> Run:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a", task_queue=world.task_queue, start_to_close=100, heartbeat=50,
            retry_policy=RetryPolicy(initial_interval=seconds(60)),
        )
    )  # fmt: skip
    return run


SCHEDULED = 5  # the id of the event that schedules the activity


@scenario(
    "command:RequestCancelActivityTask",
    "event:ActivityTaskCancelRequested",
    "event:ActivityTaskCanceled",
)
async def test_cancel_an_activity_that_has_not_started(world: World) -> None:
    run = await start_activity(world)
    await world.signal(run)
    await world.raw.run_workflow_task(request_cancel_activity(SCHEDULED))
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("command:RequestCancelActivityTask", "command:ScheduleActivityTask")
async def test_cancel_an_activity_in_the_task_that_schedules_it(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, start_to_close=100),
        request_cancel_activity(SCHEDULED),
    )
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario(
    "command:RequestCancelActivityTask",
    "rpc:RespondActivityTaskCanceled",
    "option:RecordActivityTaskHeartbeatResponse.cancel_requested",
    *options(
        "RespondActivityTaskCanceledRequest", "task_token", "details", "identity", "namespace"
    ),
    *options("RequestCancelActivityTaskCommandAttributes", "scheduled_event_id"),
)
async def test_cancel_a_running_activity_that_agrees(world: World) -> None:
    run = await start_activity(world)
    task = await world.raw.poll_activity_task()
    world.observe("heartbeat before", await world.raw.heartbeat(task, 1))
    await world.signal(run)
    await world.raw.run_workflow_task(request_cancel_activity(SCHEDULED))
    world.observe("description", await world.describe(run))
    world.observe("heartbeat after", await world.raw.heartbeat(task, 2))
    world.observe("answer", await world.raw.cancel_activity_task(task, "cleaned", "up"))
    await world.observe_history("history", run)
    world.observe("description after", await world.describe(run))


@scenario("command:RequestCancelActivityTask", "event:ActivityTaskCompleted")
async def test_cancel_a_running_activity_that_completes(world: World) -> None:
    run = await start_activity(world)
    task = await world.raw.poll_activity_task()
    await world.signal(run)
    await world.raw.run_workflow_task(request_cancel_activity(SCHEDULED))
    await world.raw.complete_activity_task(task, "done anyway")
    await world.observe_history("history", run)


@scenario("command:RequestCancelActivityTask", "event:ActivityTaskFailed")
async def test_cancel_a_running_activity_that_fails(world: World) -> None:
    run = await start_activity(world)
    task = await world.raw.poll_activity_task()
    await world.signal(run)
    await world.raw.run_workflow_task(request_cancel_activity(SCHEDULED))
    await world.raw.fail_activity_task(task, "broke while being cancelled")
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("command:RequestCancelActivityTask", "event:ActivityTaskFailed")
async def test_cancel_a_running_activity_that_fails_as_cancelled(world: World) -> None:
    run = await start_activity(world)
    task = await world.raw.poll_activity_task()
    await world.signal(run)
    await world.raw.run_workflow_task(request_cancel_activity(SCHEDULED))
    await world.observe_error(
        "answer", world.raw.fail_activity_task(task, canceled_failure("cancelled"))
    )
    await world.observe_history("history", run)


@scenario("command:RequestCancelActivityTask", "event:ActivityTaskTimedOut")
async def test_cancel_a_running_activity_that_times_out(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, start_to_close=1)
    )
    await world.raw.poll_activity_task()
    await world.signal(run)
    await world.raw.run_workflow_task(request_cancel_activity(SCHEDULED))
    world.observe_task("workflow task", await world.raw.poll_workflow_task())


@scenario("command:RequestCancelActivityTask", "event:ActivityTaskTimedOut")
async def test_cancel_a_running_activity_that_runs_out_of_all_its_time(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, schedule_to_close=1)
    )
    await world.raw.poll_activity_task()
    await world.signal(run)
    await world.raw.run_workflow_task(request_cancel_activity(SCHEDULED))
    world.observe_task("workflow task", await world.raw.poll_workflow_task())


@scenario("command:RequestCancelActivityTask", "event:ActivityTaskCanceled")
async def test_cancel_an_activity_that_waits_for_its_retry(world: World) -> None:
    run = await start_activity(world)
    task = await world.raw.poll_activity_task()
    await world.raw.fail_activity_task(task, "first", ["page", 1])
    await world.signal(run)
    await world.raw.run_workflow_task(request_cancel_activity(SCHEDULED))
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("command:RequestCancelActivityTask")
async def test_cancel_an_activity_twice(world: World) -> None:
    run = await start_activity(world)
    await world.raw.poll_activity_task()
    for time in ("once", "twice"):
        await world.signal(run)
        await world.observe_error(
            time, world.raw.run_workflow_task(request_cancel_activity(SCHEDULED))
        )
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("command:RequestCancelActivityTask", "event:WorkflowTaskFailed")
async def test_cancel_an_activity_that_has_closed(world: World) -> None:
    run = await start_activity(world)
    await world.raw.complete_activity_task(await world.raw.poll_activity_task())
    task = await world.raw.poll_workflow_task()
    await world.observe_error(
        "cancel", world.raw.complete_workflow_task(task, request_cancel_activity(SCHEDULED))
    )
    await world.observe_history("history", run)


@scenario("command:RequestCancelActivityTask")
async def test_cancel_an_activity_whose_completion_is_buffered(world: World) -> None:
    run = await start_activity(world)
    activity = await world.raw.poll_activity_task()
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    await world.raw.complete_activity_task(activity, "done")
    await world.observe_error(
        "cancel", world.raw.complete_workflow_task(task, request_cancel_activity(SCHEDULED))
    )
    await world.observe_history("history", run)


@scenario("rpc:RespondActivityTaskCanceled")
async def test_an_activity_reports_a_cancellation_that_nobody_requested(world: World) -> None:
    run = await start_activity(world)
    task = await world.raw.poll_activity_task()
    await world.observe_error("cancel", world.raw.cancel_activity_task(task, "on my own"))
    await world.observe_history("history", run)


@scenario("command:CompleteWorkflowExecution", "option:PendingActivityInfo.state")
async def test_a_run_completes_while_an_activity_is_being_cancelled(world: World) -> None:
    run = await start_activity(world)
    task = await world.raw.poll_activity_task()
    await world.signal(run)
    await world.raw.run_workflow_task(request_cancel_activity(SCHEDULED), complete_workflow())
    await world.observe_error("heartbeat", world.raw.heartbeat(task))
    await world.observe_error("answer", world.raw.cancel_activity_task(task))
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))
