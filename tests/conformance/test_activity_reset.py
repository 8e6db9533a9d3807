"""Activities that are reset, at each moment of their life."""

from __future__ import annotations

from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import Priority, RetryPolicy
from temporalio.api.enums.v1 import EventType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import RecordActivityTaskHeartbeatByIdRequest

from tests.conformance.commands import request_cancel_activity, seconds
from tests.conformance.operations import (
    LATE,
    pause,
    reset,
    start_activities,
    unpause,
    update_options,
)
from tests.conformance.scenario import options, scenario
from tests.conformance.world import World

SCHEDULED = 5  # the id of the event that schedules the first activity


@scenario(
    "rpc:ResetActivity",
    *options("ResetActivityRequest", "namespace", "execution", "identity", "id"),
)
async def test_reset_an_activity_that_waits_for_its_retry(world: World) -> None:
    run = await start_activities(world, retry_policy=LATE)
    task = await world.raw.poll_activity_task()
    await world.raw.fail_activity_task(task, last_heartbeat=["page", 3])
    world.observe("reset", await reset(world, run))
    world.observe("description", await world.describe(run))
    task = await world.raw.poll_activity_task()
    world.observe_task("activity", task)
    world.observe("heartbeat", await world.raw.heartbeat(task, 1))
    await world.raw.complete_activity_task(task)
    await world.observe_history("history", run)


@scenario("rpc:ResetActivity", *options("ResetActivityRequest", "reset_heartbeat", "jitter"))
async def test_reset_an_activity_with_its_heartbeat_and_some_time_later(world: World) -> None:
    run = await start_activities(world, retry_policy=LATE)
    task = await world.raw.poll_activity_task()
    await world.raw.fail_activity_task(task, last_heartbeat=["page", 3])
    await reset(world, run, reset_heartbeat=True, jitter=seconds(1_000_000))
    world.observe("later", await world.describe(run))
    await reset(world, run)
    world.observe("now", await world.describe(run))
    world.observe_task("activity", await world.raw.poll_activity_task())


@scenario("rpc:ResetActivity")
async def test_reset_an_activity_that_no_worker_has_taken_yet(world: World) -> None:
    run = await start_activities(world)
    await reset(world, run)
    world.observe("description", await world.describe(run))
    task = await world.raw.poll_activity_task()
    world.observe("heartbeat", await world.raw.heartbeat(task, 1))


@scenario(
    "rpc:ResetActivity",
    "option:ResetActivityRequest.reset_heartbeat",
    "option:RecordActivityTaskHeartbeatResponse.activity_reset",
    "option:RecordActivityTaskHeartbeatByIdResponse.activity_reset",
)
async def test_a_first_attempt_learns_of_the_reset_and_begins_again(world: World) -> None:
    run = await start_activities(world)
    task = await world.raw.poll_activity_task()
    await world.raw.heartbeat(task, 1)
    await reset(world, run, reset_heartbeat=True)
    world.observe("reset", await world.describe(run))
    world.observe("heartbeat", await world.raw.heartbeat(task, 2))
    by_id = RecordActivityTaskHeartbeatByIdRequest(
        namespace=world.client.namespace, workflow_id=run.workflow_id, activity_id="a"
    )
    world.observe(
        "heartbeat by id",
        await world.client.workflow_service.record_activity_task_heartbeat_by_id(by_id),
    )
    world.observe("still running", await world.describe(run))
    await world.raw.fail_activity_task(task, last_heartbeat=["page", 4])
    await world.until_activity(run, lambda activity: activity.attempt == 2)
    task = await world.raw.poll_activity_task()
    world.observe_task("activity", task)
    world.observe("heartbeat after", await world.raw.heartbeat(task, 1))


@scenario("rpc:ResetActivity", "event:ActivityTaskCompleted")
async def test_a_first_attempt_completes_in_spite_of_the_reset(world: World) -> None:
    run = await start_activities(world)
    task = await world.raw.poll_activity_task()
    await reset(world, run)
    await world.raw.complete_activity_task(task, "charged")
    await world.observe_history("history", run)


@scenario("rpc:ResetActivity")
async def test_a_later_attempt_is_cut_off_by_the_reset(world: World) -> None:
    run = await start_activities(
        world,
        start_to_close=2,
        retry_policy=RetryPolicy(initial_interval=seconds(0.1), backoff_coefficient=1000),
    )
    await world.raw.fail_activity_task(await world.raw.poll_activity_task())
    task = await world.raw.poll_activity_task()
    await world.raw.heartbeat(task, 1)
    await reset(world, run)
    world.observe("reset", await world.describe(run))
    await world.observe_error("heartbeat", world.raw.heartbeat(task, 2))
    await world.observe_error("completion", world.raw.complete_activity_task(task))
    await world.observe_error("failure", world.raw.fail_activity_task(task))
    await world.until_activity(run, lambda activity: activity.attempt == 2)
    task = await world.raw.poll_activity_task()
    world.observe_task("activity", task)
    await world.raw.complete_activity_task(task)
    await world.observe_history("history", run)


@scenario("rpc:ResetActivity", "command:RequestCancelActivityTask")
async def test_reset_an_activity_that_is_being_cancelled(world: World) -> None:
    run = await start_activities(world)
    task = await world.raw.poll_activity_task()
    await world.signal(run)
    await world.raw.run_workflow_task(request_cancel_activity(SCHEDULED))
    await reset(world, run)
    world.observe("description", await world.describe(run))
    world.observe("heartbeat", await world.raw.heartbeat(task, 1))
    await world.raw.cancel_activity_task(task)
    await world.observe_history("history", run)


@scenario("rpc:ResetActivity", "rpc:RespondActivityTaskCanceled")
async def test_a_reset_is_no_cancellation(world: World) -> None:
    run = await start_activities(world)
    task = await world.raw.poll_activity_task()
    await reset(world, run)
    await world.observe_error("cancel", world.raw.cancel_activity_task(task))
    world.observe("description", await world.describe(run))


@scenario("rpc:ResetActivity", *options("ResetActivityRequest", "type", "match_all", "keep_paused"))
async def test_reset_ends_a_pause_unless_it_is_to_be_kept(world: World) -> None:
    run = await start_activities(world, "a", "b")
    await pause(world, run, type="charge")
    await reset(world, run, type="charge")
    world.observe("unpaused", await world.describe(run))
    await pause(world, run)
    await reset(world, run, match_all=False, keep_paused=True)
    world.observe("kept", await world.describe(run))
    await unpause(world, run)
    for name in ("first", "second"):
        task = await world.raw.poll_activity_task()
        world.observe(f"heartbeat of the {name}", await world.raw.heartbeat(task, 1))


@scenario("rpc:ResetActivity", *options("ResetActivityRequest", "keep_paused", "reset_heartbeat"))
async def test_reset_a_waiting_activity_that_stays_paused(world: World) -> None:
    run = await start_activities(world)
    task = await world.raw.poll_activity_task()
    await world.raw.fail_activity_task(task, last_heartbeat=["page", 3])
    await pause(world, run)
    await reset(world, run, keep_paused=True, reset_heartbeat=True)
    world.observe("reset", await world.describe(run))
    await unpause(world, run)
    world.observe("unpaused", await world.describe(run))
    task = await world.raw.poll_activity_task()
    world.observe_task("activity", task)
    world.observe("heartbeat", await world.raw.heartbeat(task, 1))


@scenario("rpc:ResetActivity", "option:ResetActivityRequest.keep_paused")
async def test_reset_a_running_activity_that_stays_paused(world: World) -> None:
    run = await start_activities(world)
    task = await world.raw.poll_activity_task()
    await pause(world, run)
    await reset(world, run, keep_paused=True, reset_heartbeat=True)
    world.observe("kept", await world.describe(run))
    world.observe("heartbeat", await world.raw.heartbeat(task, 1))
    await world.raw.fail_activity_task(task)
    world.observe("failed", await world.describe(run))
    await unpause(world, run)
    world.observe("unpaused", await world.describe(run))


@scenario("rpc:ResetActivity", "option:ResetActivityRequest.keep_paused")
async def test_reset_of_a_running_activity_takes_its_pause_away(world: World) -> None:
    run = await start_activities(world)
    task = await world.raw.poll_activity_task()
    await pause(world, run)
    await reset(world, run)
    world.observe("reset", await world.describe(run))
    world.observe("heartbeat", await world.raw.heartbeat(task, 1))


@scenario("rpc:ResetActivity", "event:ActivityTaskTimedOut")
async def test_a_reset_leaves_the_timeouts_of_the_running_attempt(world: World) -> None:
    run = await start_activities(world, start_to_close=1, schedule_to_close=1.5)
    task = await world.raw.poll_activity_task()
    await world.raw.heartbeat(task, 1)
    await reset(world, run, reset_heartbeat=True)
    await world.until_event(run, EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT)
    await world.observe_history("history", run)


@scenario("rpc:ResetActivity", "option:ResetActivityRequest.restore_original_options")
async def test_reset_restores_all_options_but_the_priority(world: World) -> None:
    run = await start_activities(world)
    changed = ActivityOptions(
        task_queue=TaskQueue(name="elsewhere"),
        heartbeat_timeout=seconds(8),
        retry_policy=RetryPolicy(maximum_attempts=3),
        priority=Priority(priority_key=2),
    )
    paths = (
        "task_queue.name",
        "heartbeat_timeout",
        "retry_policy.maximum_attempts",
        "priority.priority_key",
    )
    await update_options(world, run, *paths, options=changed)
    await reset(world, run, restore_original_options=True)
    world.observe("waiting", await world.describe(run))
    await world.raw.poll_activity_task()
    await update_options(world, run, *paths, options=changed)
    await reset(world, run, restore_original_options=True)
    world.observe("running", await world.describe(run))
