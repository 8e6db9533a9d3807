"""Options of pending activities that are changed, and restored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import Priority, RetryPolicy
from temporalio.api.enums.v1 import EventType
from temporalio.api.taskqueue.v1 import TaskQueue

from tests.conformance.commands import seconds
from tests.conformance.operations import (
    LATE,
    pause,
    start_activities,
    unpause,
    update_options,
)
from tests.conformance.payloads import application_failure
from tests.conformance.raw_worker import RawWorker
from tests.conformance.refusals import LONG, observe_refusal
from tests.conformance.scenario import options, scenario
from tests.conformance.world import World

EVERY_PATH = (
    "task_queue.name",
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
    "retry_policy.initial_interval",
    "retry_policy.backoff_coefficient",
    "retry_policy.maximum_interval",
    "retry_policy.maximum_attempts",
    "priority.priority_key",
    "priority.fairness_key",
    "priority.fairness_weight",
)


def every_option(task_queue: str) -> ActivityOptions:
    """Options of which each differs from those that the scenarios' activities are scheduled with."""
    return ActivityOptions(
        task_queue=TaskQueue(name=task_queue),
        schedule_to_close_timeout=seconds(90),
        schedule_to_start_timeout=seconds(80),
        start_to_close_timeout=seconds(70),
        heartbeat_timeout=seconds(60),
        retry_policy=RetryPolicy(
            initial_interval=seconds(2),
            backoff_coefficient=3,
            maximum_interval=seconds(9),
            maximum_attempts=7,
        ),
        priority=Priority(priority_key=3, fairness_key="k", fairness_weight=2),
    )


@scenario(
    "rpc:UpdateActivityOptions",
    *options(
        "UpdateActivityOptionsRequest",
        "namespace",
        "execution",
        "identity",
        "id",
        "activity_options",
        "update_mask",
        "restore_original",
    ),
    *options("ActivityOptions", *dict.fromkeys(path.partition(".")[0] for path in EVERY_PATH)),
    "option:PendingActivityInfo.activity_options",
)
async def test_change_every_option_and_restore_it(world: World) -> None:
    run = await start_activities(world)
    elsewhere = RawWorker(world.client, world.unique("elsewhere"))
    changed = every_option(elsewhere.task_queue)
    world.observe("answer", await update_options(world, run, *EVERY_PATH, options=changed))
    world.observe("changed", await world.describe(run))
    task = await elsewhere.poll_activity_task()
    world.observe_task("activity", task)
    world.observe("restored", await update_options(world, run, restore_original=True))
    world.observe("description", await world.describe(run))
    await elsewhere.complete_activity_task(task)
    await world.observe_history("history", run)


@scenario("rpc:UpdateActivityOptions", "option:UpdateActivityOptionsRequest.restore_original")
async def test_restored_options_decide_what_is_retried(world: World) -> None:
    never = RetryPolicy(initial_interval=seconds(60), non_retryable_error_types=["Declined"])
    run = await start_activities(world, retry_policy=never)
    policy = RetryPolicy(initial_interval=seconds(50), backoff_coefficient=1)
    changed = ActivityOptions(retry_policy=policy)
    world.observe("answer", await update_options(world, run, "retry_policy", options=changed))
    world.observe("restored", await update_options(world, run, restore_original=True))
    task = await world.raw.poll_activity_task()
    world.observe_task("activity", task)
    await world.raw.fail_activity_task(task, application_failure("no", error_type="Declined"))
    await world.observe_history("history", run)


@scenario("rpc:UpdateActivityOptions", "event:ActivityTaskTimedOut")
async def test_a_timeout_is_changed_while_the_attempt_runs(world: World) -> None:
    run = await start_activities(world, retry_policy=RetryPolicy(maximum_attempts=1))
    task = await world.raw.poll_activity_task()
    shorter = ActivityOptions(start_to_close_timeout=seconds(1))
    await update_options(world, run, "start_to_close_timeout", options=shorter)
    world.observe("heartbeat", await world.raw.heartbeat(task, 1))
    world.observe("description", await world.describe(run))
    await world.until_event(run, EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT)
    await world.observe_history("history", run)


@scenario("rpc:UpdateActivityOptions")
async def test_a_time_for_all_attempts_is_changed_but_not_their_expiration(world: World) -> None:
    run = await start_activities(world, schedule_to_close=50)
    path = "schedule_to_close_timeout"
    for timeout in (seconds(80), seconds(20), None):
        changed = ActivityOptions(schedule_to_close_timeout=timeout)
        world.observe("answer", await update_options(world, run, path, options=changed))
        world.observe("description", await world.describe(run))


@scenario("rpc:UpdateActivityOptions")
async def test_no_timeout_exceeds_what_its_activity_has_but_it_may_exceed_the_run(
    world: World,
) -> None:
    run = await start_activities(world)
    changed = ActivityOptions(heartbeat_timeout=seconds(1000))
    world.observe(
        "heartbeat", await update_options(world, run, "heartbeat_timeout", options=changed)
    )
    changed = ActivityOptions(start_to_close_timeout=seconds(2_000_000_000))
    world.observe(
        "running", await update_options(world, run, "start_to_close_timeout", options=changed)
    )


@scenario("rpc:UpdateActivityOptions")
async def test_a_retry_that_is_waited_for_follows_the_new_policy(world: World) -> None:
    run = await start_activities(world, retry_policy=LATE)
    await world.raw.fail_activity_task(await world.raw.poll_activity_task())
    world.observe("waiting", await world.describe(run))
    sooner = ActivityOptions(retry_policy=RetryPolicy(initial_interval=seconds(0.2)))
    await update_options(world, run, "retry_policy.initial_interval", options=sooner)
    world.observe("sooner", await world.describe(run))
    task = await world.raw.poll_activity_task()
    world.observe_task("activity", task)
    await world.raw.fail_activity_task(task)
    later = ActivityOptions(retry_policy=RetryPolicy(initial_interval=seconds(100)))
    await update_options(world, run, "retry_policy.initial_interval", options=later)
    world.observe("later", await world.describe(run))


@scenario("rpc:UpdateActivityOptions")
async def test_fewer_attempts_than_there_were_are_allowed(world: World) -> None:
    run = await start_activities(world)
    await world.raw.fail_activity_task(await world.raw.poll_activity_task())
    task = await world.raw.poll_activity_task()
    fewer = ActivityOptions(retry_policy=RetryPolicy(maximum_attempts=1))
    await update_options(world, run, "retry_policy.maximum_attempts", options=fewer)
    world.observe("description", await world.describe(run))
    await world.raw.fail_activity_task(task)
    await world.observe_history("history", run)


@scenario("rpc:UpdateActivityOptions", "rpc:PauseActivity")
async def test_options_of_a_paused_activity(world: World) -> None:
    run = await start_activities(world, retry_policy=LATE)
    await world.raw.fail_activity_task(await world.raw.poll_activity_task())
    await pause(world, run)
    sooner = ActivityOptions(retry_policy=RetryPolicy(initial_interval=seconds(0.1)))
    await update_options(world, run, "retry_policy.initial_interval", options=sooner)
    world.observe("paused", await world.describe(run))
    await unpause(world, run)
    world.observe("unpaused", await world.describe(run))


@scenario(
    "rpc:UpdateActivityOptions", *options("UpdateActivityOptionsRequest", "type", "match_all")
)
async def test_options_of_several_activities(world: World) -> None:
    run = await start_activities(world, "a", "b", "c")
    path = "heartbeat_timeout"
    of_type = ActivityOptions(heartbeat_timeout=seconds(9))
    of_all = ActivityOptions(heartbeat_timeout=seconds(8))
    world.observe("type", await update_options(world, run, path, options=of_type, type="charge"))
    world.observe("all", await update_options(world, run, path, options=of_all, match_all=True))
    world.observe("changed", await world.describe(run))
    world.observe(
        "restored", await update_options(world, run, restore_original=True, match_all=False)
    )
    world.observe("description", await world.describe(run))


#: Paths of one mask each.
PATHS = (
    "scheduleToCloseTimeout",
    "taskQueue.name",
    "retryPolicy.maximumAttempts",
    "retry_policy",
    "priority",
    "start_delay",
    "task_queue",
    "task_queue.kind",
    "retry_policy.maximum_attempts.x",
    "heartbeat_timeout.seconds",
    "HEARTBEAT_TIMEOUT",
    "bogus",
    "*",
    "",
)


@scenario(
    "rpc:UpdateActivityOptions",
    "option:UpdateActivityOptionsRequest.update_mask",
    "option:ActivityOptions.start_delay",
)
async def test_paths_of_the_mask(world: World) -> None:
    for path in PATHS:
        run = await start_activities(world, workflow=f"order of {path}")
        changed = every_option("elsewhere")
        changed.start_delay.CopyFrom(seconds(3))
        changed.retry_policy.non_retryable_error_types.append("Declined")
        asked = update_options(world, run, path, options=changed)
        await world.observe_error(path, asked)
    run = await start_activities(world, workflow="order of parts")
    part = ActivityOptions(priority=Priority(fairness_key="k"))
    for path in ("priority.fairness_key", "priority.priority_key", "priority"):
        world.observe(path, await update_options(world, run, path, options=part))
    world.observe("none", await update_options(world, run, "priority", options=ActivityOptions()))


def policy(**fields: Any) -> ActivityOptions:
    """A change of the retry policy."""
    return ActivityOptions(retry_policy=RetryPolicy(**fields))


#: Changes: the path, and the options.
CHANGES: Mapping[str, tuple[str, ActivityOptions]] = {
    "heartbeat unset": ("heartbeat_timeout", ActivityOptions()),
    "heartbeat negative": (
        "heartbeat_timeout",
        ActivityOptions(heartbeat_timeout=seconds(-3)),
    ),
    "schedule to close negative": (
        "schedule_to_close_timeout",
        ActivityOptions(schedule_to_close_timeout=seconds(-3)),
    ),
    "no time to run": ("start_to_close_timeout", ActivityOptions()),
    "queue missing": ("task_queue.name", ActivityOptions()),
    "queue without a name": ("task_queue.name", ActivityOptions(task_queue=TaskQueue())),
    "queue of the server": (
        "task_queue.name",
        ActivityOptions(task_queue=TaskQueue(name="/_sys/x")),
    ),
    "queue with a long name": (
        "task_queue.name",
        ActivityOptions(task_queue=TaskQueue(name=LONG)),
    ),
    "policy missing": ("retry_policy", ActivityOptions()),
    "part of a missing policy": ("retry_policy.maximum_attempts", ActivityOptions()),
    "attempts negative": ("retry_policy.maximum_attempts", policy(maximum_attempts=-1)),
    "coefficient small": ("retry_policy.backoff_coefficient", policy(backoff_coefficient=0.5)),
    "coefficient unset": ("retry_policy.backoff_coefficient", policy()),
    "interval unset": ("retry_policy.initial_interval", policy()),
    "interval negative": (
        "retry_policy.initial_interval",
        policy(initial_interval=seconds(-1)),
    ),
    "interval above the maximum": (
        "retry_policy.initial_interval",
        policy(initial_interval=seconds(31)),
    ),
    "maximum unset": ("retry_policy.maximum_interval", policy()),
    "maximum negative": (
        "retry_policy.maximum_interval",
        policy(maximum_interval=seconds(-1)),
    ),
    "whole policy that nobody checks": ("retry_policy", policy(maximum_attempts=-1)),
    "part of a missing priority": ("priority.priority_key", ActivityOptions()),
    "priority negative": (
        "priority.priority_key",
        ActivityOptions(priority=Priority(priority_key=-1)),
    ),
    "fairness key long": (
        "priority.fairness_key",
        ActivityOptions(priority=Priority(fairness_key="k" * 65)),
    ),
    "fairness weight negative": (
        "priority.fairness_weight",
        ActivityOptions(priority=Priority(fairness_weight=-3)),
    ),
    "priority negative, but not in the mask": (
        "heartbeat_timeout",
        ActivityOptions(priority=Priority(priority_key=-1)),
    ),
}


@scenario("rpc:UpdateActivityOptions", "option:UpdateActivityOptionsRequest.activity_options")
async def test_changes_that_are_refused_or_taken_as_they_are(world: World) -> None:
    for name, (path, changed) in CHANGES.items():
        run = await start_activities(world, workflow=name)
        await world.observe_error(name, update_options(world, run, path, options=changed))
        (activity,) = (await world.describe(run)).pending_activities
        world.observe(f"{name}: options", activity.activity_options)


@pytest.mark.parametrize("activity", ["a", "nobody"])
@scenario("rpc:UpdateActivityOptions")
async def test_incomplete_changes_are_refused(world: World, activity: str) -> None:
    run = await start_activities(world)
    path = "heartbeat_timeout"
    nothing = ActivityOptions()
    negative = ActivityOptions(priority=Priority(priority_key=-1))
    for asked in (
        update_options(world, run, path, id=activity),
        update_options(world, run, options=nothing, id=activity),
        update_options(world, run, id=activity),
        update_options(world, run, path, restore_original=True, id=activity),
        update_options(world, run, restore_original=True, options=negative, id=activity),
    ):
        await observe_refusal(world, asked, run)
