"""Activities that are paused, at each moment of their life, and unpaused."""

from __future__ import annotations

from typing import Any

from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatByIdRequest,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskFailedByIdRequest,
)

from tests.conformance.commands import complete_workflow, request_cancel_activity, seconds
from tests.conformance.listings import observe_found, until_listed
from tests.conformance.operations import (
    LATE,
    pause,
    reset,
    start_activities,
    unpause,
    update_options,
)
from tests.conformance.payloads import application_failure
from tests.conformance.scenario import options, scenario
from tests.conformance.world import World

SCHEDULED = 5  # the id of the event that schedules the first activity


@scenario(
    "rpc:PauseActivity",
    "rpc:UnpauseActivity",
    *options("PauseActivityRequest", "namespace", "execution", "identity", "id", "reason"),
    *options("UnpauseActivityRequest", "namespace", "execution", "identity", "id"),
    *options("PendingActivityInfo", "state", "paused", "pause_info"),
)
async def test_a_paused_activity_is_not_given_to_workers(world: World) -> None:
    run = await start_activities(world, "a", "b")
    world.observe("pause", await pause(world, run, reason="the bank is closed"))
    world.observe("paused", await world.describe(run))
    world.observe_task("another activity", await world.raw.poll_activity_task())
    world.observe("unpause", await unpause(world, run))
    world.observe("unpaused", await world.describe(run))
    task = await world.raw.poll_activity_task()
    world.observe_task("activity", task)
    world.observe("heartbeat", await world.raw.heartbeat(task, 1))
    await world.raw.complete_activity_task(task, "charged")
    await world.observe_history("history", run)


@scenario(
    "rpc:PauseActivity",
    "rpc:UnpauseActivity",
    "option:RecordActivityTaskHeartbeatResponse.activity_paused",
    *options("UnpauseActivityRequest", "reset_attempts", "reset_heartbeat"),
)
async def test_a_running_attempt_learns_of_the_pause_and_is_the_last_one(world: World) -> None:
    run = await start_activities(world)
    task = await world.raw.poll_activity_task()
    world.observe("heartbeat before", await world.raw.heartbeat(task, 1))
    await pause(world, run)
    world.observe("pause requested", await world.describe(run))
    world.observe("heartbeat", await world.raw.heartbeat(task, 2))
    world.observe("failure", await world.raw.fail_activity_task(task))
    world.observe("paused", await world.describe(run))
    await unpause(world, run, reset_attempts=True, reset_heartbeat=True)
    world.observe("unpaused", await world.describe(run))
    task = await world.raw.poll_activity_task()
    world.observe_task("activity", task)
    world.observe("heartbeat after", await world.raw.heartbeat(task, 1))
    await world.raw.complete_activity_task(task)
    await world.observe_history("history", run)


@scenario("rpc:UnpauseActivity", "event:ActivityTaskStarted")
async def test_an_attempt_after_a_pause_keeps_its_number_and_its_heartbeat(world: World) -> None:
    run = await start_activities(world)
    await pause(world, run)
    await unpause(world, run)
    task = await world.raw.poll_activity_task()
    await pause(world, run)
    await world.raw.fail_activity_task(task, last_heartbeat=["page", 3])
    await unpause(world, run)
    world.observe("unpaused", await world.describe(run))
    task = await world.raw.poll_activity_task()
    world.observe_task("activity", task)
    await world.raw.complete_activity_task(task)
    await world.observe_history("history", run)


@scenario("rpc:PauseActivity", "event:ActivityTaskCompleted", "option:PauseActivityRequest.type")
async def test_a_running_attempt_completes_in_spite_of_the_pause(world: World) -> None:
    run = await start_activities(world)
    task = await world.raw.poll_activity_task()
    await pause(world, run, type="charge")
    world.observe("answer", await world.raw.complete_activity_task(task, "charged"))
    await world.observe_history("history", run)


@scenario("rpc:UnpauseActivity", "option:UnpauseActivityRequest.reset_heartbeat")
async def test_a_pause_that_ends_while_the_attempt_runs_leaves_no_trace(world: World) -> None:
    run = await start_activities(world, retry_policy=LATE)
    task = await world.raw.poll_activity_task()
    await world.raw.heartbeat(task, 1)
    await pause(world, run)
    await unpause(world, run, reset_attempts=True, reset_heartbeat=True)
    world.observe("unpaused", await world.describe(run))
    world.observe("heartbeat", await world.raw.heartbeat(task, 2))
    await world.raw.fail_activity_task(task)
    world.observe("failed", await world.describe(run))


@scenario("rpc:UnpauseActivity", "option:UnpauseActivityRequest.reset_attempts")
async def test_a_later_attempt_that_runs_is_cut_off_by_the_reset_of_attempts(world: World) -> None:
    run = await start_activities(world)
    await world.raw.fail_activity_task(await world.raw.poll_activity_task())
    task = await world.raw.poll_activity_task()
    await pause(world, run)
    await unpause(world, run, reset_attempts=True)
    world.observe("unpaused", await world.describe(run))
    await world.observe_error("heartbeat", world.raw.heartbeat(task, 2))
    await world.observe_error("completion", world.raw.complete_activity_task(task))


@scenario("rpc:PauseActivity", "event:ActivityTaskFailed")
async def test_a_pause_saves_the_last_attempt(world: World) -> None:
    run = await start_activities(world, retry_policy=RetryPolicy(maximum_attempts=1))
    task = await world.raw.poll_activity_task()
    await pause(world, run)
    await world.raw.fail_activity_task(task)
    world.observe("paused", await world.describe(run))
    await unpause(world, run)
    task = await world.raw.poll_activity_task()
    world.observe_task("activity", task)
    await world.raw.fail_activity_task(task)
    await world.observe_history("history", run)


@scenario("rpc:PauseActivity", "event:ActivityTaskFailed")
async def test_a_failure_that_is_never_retried_ends_a_paused_activity(world: World) -> None:
    run = await start_activities(world)
    task = await world.raw.poll_activity_task()
    await pause(world, run)
    failure = application_failure("no such card", non_retryable=True)
    await world.raw.fail_activity_task(task, failure)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("rpc:PauseActivity", "command:RequestCancelActivityTask", "event:ActivityTaskCanceled")
async def test_cancel_a_paused_activity(world: World) -> None:
    run = await start_activities(world)
    await pause(world, run)
    await world.signal(run)
    await world.raw.run_workflow_task(request_cancel_activity(SCHEDULED))
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("rpc:PauseActivity", "command:RequestCancelActivityTask", "event:ActivityTaskFailed")
async def test_cancel_a_running_activity_that_is_to_pause(world: World) -> None:
    run = await start_activities(world)
    task = await world.raw.poll_activity_task()
    await pause(world, run)
    await world.signal(run)
    await world.raw.run_workflow_task(request_cancel_activity(SCHEDULED))
    world.observe("paused", await world.describe(run))
    world.observe("heartbeat", await world.raw.heartbeat(task, 1))
    await unpause(world, run)
    world.observe("unpaused", await world.describe(run))
    await pause(world, run)
    world.observe("paused again", await world.describe(run))
    await world.raw.fail_activity_task(task)
    await world.observe_history("history", run)


@scenario(
    "rpc:PauseActivity",
    "rpc:UnpauseActivity",
    "option:PauseActivityRequest.type",
    *options("UnpauseActivityRequest", "type", "unpause_all"),
)
async def test_pause_several_activities(world: World) -> None:
    run = await start_activities(world, "a", "b", "c")
    await pause(world, run, id="b")
    await pause(world, run, type="charge")
    world.observe("all paused", await world.describe(run))
    await unpause(world, run, type="charge")
    world.observe("none paused", await world.describe(run))
    await pause(world, run, id="c")
    await unpause(world, run, unpause_all=False)
    world.observe("none paused again", await world.describe(run))


@scenario("rpc:PauseActivity", "rpc:UnpauseActivity")
async def test_pause_an_activity_that_waits_for_its_retry(world: World) -> None:
    run = await start_activities(world, retry_policy=LATE)
    await world.raw.fail_activity_task(await world.raw.poll_activity_task())
    world.observe("waiting", await world.describe(run))
    await pause(world, run)
    world.observe("paused", await world.describe(run))
    await unpause(world, run)
    world.observe("unpaused", await world.describe(run))
    world.observe_task("activity", await world.raw.poll_activity_task())


@scenario("rpc:UnpauseActivity", "option:UnpauseActivityRequest.jitter")
async def test_unpause_an_activity_some_time_later(world: World) -> None:
    run = await start_activities(world)
    await pause(world, run)
    await unpause(world, run, jitter=seconds(1_000_000))
    world.observe("unpaused", await world.describe(run))


@scenario("rpc:PauseActivity", "rpc:UnpauseActivity", "option:PauseActivityRequest.request_id")
async def test_pause_and_unpause_twice(world: World) -> None:
    run = await start_activities(world, "a", "b")
    await pause(world, run, reason="first", request_id="r1")
    await world.observe_error("repeated", pause(world, run, reason="second", request_id="r1"))
    await world.observe_error("again", pause(world, run, request_id="r2"))
    await world.observe_error("among others", pause(world, run, type="charge"))
    world.observe("paused", await world.describe(run))
    await world.observe_error("unpause what is not", unpause(world, run, id="b"))
    await unpause(world, run)
    await world.observe_error("unpause again", unpause(world, run))
    world.observe("unpaused", await world.describe(run))


@scenario("rpc:PauseActivity", "event:ActivityTaskTimedOut")
async def test_no_timeout_fires_during_a_pause(world: World) -> None:
    waiting = await start_activities(world, schedule_to_close=1)
    slow = await start_activities(world, workflow="slow", start_to_close=1, retry_policy=LATE)
    await pause(world, waiting)
    task = await world.raw.poll_activity_task()
    await pause(world, slow)
    await world.raw.heartbeat(task, 1)
    await world.pass_time(2)
    world.observe("waiting", await world.describe(waiting))
    world.observe("slow", await world.describe(slow))
    await unpause(world, waiting)
    await unpause(world, slow)
    await world.until_event(waiting, EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT)
    await world.observe_history("history", waiting)
    await world.until_activity(slow, lambda activity: activity.attempt == 2)
    world.observe("retried", await world.describe(slow))


@scenario("rpc:UnpauseActivity", "event:ActivityTaskTimedOut")
async def test_the_wait_for_a_worker_begins_anew_after_a_pause(world: World) -> None:
    run = await start_activities(world, schedule_to_start=1)
    await pause(world, run)
    await world.pass_time(1.5)
    await unpause(world, run)
    world.observe("unpaused", await world.describe(run))
    await world.until_event(run, EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT)
    await world.observe_history("history", run)


@scenario(
    "rpc:PauseActivity",
    "option:RecordActivityTaskHeartbeatByIdResponse.activity_paused",
    "rpc:RespondActivityTaskCompletedById",
)
async def test_reports_by_id_of_a_paused_activity(world: World) -> None:
    run = await start_activities(world)
    service = world.client.workflow_service
    named: dict[str, Any] = {
        "namespace": world.client.namespace,
        "workflow_id": run.workflow_id,
        "activity_id": "a",
    }
    beat = RecordActivityTaskHeartbeatByIdRequest(**named)
    failure = application_failure("broke")
    await pause(world, run)
    await world.observe_error(
        "heartbeat of nobody", service.record_activity_task_heartbeat_by_id(beat)
    )
    await world.observe_error(
        "failure of nobody",
        service.respond_activity_task_failed_by_id(
            RespondActivityTaskFailedByIdRequest(**named, failure=failure)
        ),
    )
    await unpause(world, run)
    await world.raw.fail_activity_task(await world.raw.poll_activity_task())
    await world.raw.poll_activity_task()
    await pause(world, run)
    world.observe("heartbeat", await service.record_activity_task_heartbeat_by_id(beat))
    await service.respond_activity_task_failed_by_id(
        RespondActivityTaskFailedByIdRequest(**named, failure=failure)
    )
    world.observe("paused", await world.describe(run))
    await service.respond_activity_task_completed_by_id(
        RespondActivityTaskCompletedByIdRequest(**named)
    )
    await world.observe_history("history", run)


@scenario("rpc:PauseActivity", "rpc:UnpauseActivity", "rpc:ResetActivity")
async def test_activities_of_a_closed_run_are_left_alone(world: World) -> None:
    run = await start_activities(world)
    await pause(world, run)
    await world.signal(run)
    await world.raw.run_workflow_task(complete_workflow())
    await world.observe_error("pause", pause(world, run))
    await world.observe_error("unpause", unpause(world, run))
    await world.observe_error("reset", reset(world, run))
    await world.observe_error("options", update_options(world, run, "heartbeat_timeout"))
    world.observe("description", await world.describe(run))


@scenario("rpc:PauseActivity", "rpc:ListWorkflowExecutions")
async def test_find_runs_by_their_paused_activities(world: World) -> None:
    paused = "TemporalPauseInfo = 'property:activityType=charge'"
    run = await start_activities(world)
    await start_activities(world, workflow="other")
    await pause(world, run)
    await until_listed(world, 1, paused)
    await observe_found(world, paused)
    await unpause(world, run)
    await until_listed(world, 0, paused)
    await observe_found(world, "TemporalPauseInfo IS NULL", "none is paused")
