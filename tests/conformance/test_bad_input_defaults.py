"""What the server fills in and shortens, as the history shows it."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.taskqueue.v1 import TaskQueue

from tests.conformance.commands import schedule_activity, seconds, start_timer
from tests.conformance.scenario import scenario
from tests.conformance.world import World

YEAR = 365 * 24 * 3600

STARTS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "task timeout": {"workflow_task_timeout": seconds(5)},
    "task timeout too long": {"workflow_task_timeout": seconds(500)},
    "run timeout below the usual task timeout": {"workflow_run_timeout": seconds(5)},
    "task timeout above run timeout": {
        "workflow_run_timeout": seconds(5),
        "workflow_task_timeout": seconds(8),
    },
    "run timeout above execution timeout": {
        "workflow_execution_timeout": seconds(20),
        "workflow_run_timeout": seconds(50),
    },
    "run timeout below execution timeout": {
        "workflow_execution_timeout": seconds(50),
        "workflow_run_timeout": seconds(20),
    },
    "execution timeout": {"workflow_execution_timeout": seconds(20)},
    "execution timeout below the usual task timeout": {"workflow_execution_timeout": seconds(3)},
    "execution timeout of millennia": {"workflow_execution_timeout": seconds(4000 * YEAR)},
    "run timeout of millennia": {"workflow_run_timeout": seconds(4000 * YEAR)},
    "run timeout of a century": {"workflow_run_timeout": Duration(seconds=100 * YEAR, nanos=1)},
    "run timeout zero": {"workflow_run_timeout": Duration()},
    "execution timeout zero": {"workflow_execution_timeout": Duration()},
    "task timeout zero": {"workflow_task_timeout": Duration()},
    "retry policy empty": {"retry_policy": RetryPolicy()},
    "retry policy in part": {
        "retry_policy": RetryPolicy(initial_interval=seconds(2), maximum_attempts=3)
    },
    "retry policy of two centuries": {
        "retry_policy": RetryPolicy(initial_interval=seconds(200 * YEAR))
    },
    "retry policy of one attempt": {
        "retry_policy": RetryPolicy(
            maximum_attempts=1, backoff_coefficient=0.1, initial_interval=seconds(-2)
        )
    },
    "start delay": {"workflow_start_delay": seconds(500)},
    "start delay zero": {"workflow_start_delay": Duration()},
}

#: Seconds of schedule-to-close, schedule-to-start, start-to-close and heartbeat timeout.
ACTIVITIES: dict[str, tuple[float | None, float | None, float | None, float | None]] = {
    "start to close": (None, None, 60, None),
    "schedule to close": (60, None, None, None),
    "both, close first": (30, None, 60, None),
    "both, start first": (90, None, 60, None),
    "schedule to start": (None, 5, 60, None),
    "schedule to start above schedule to close": (60, 500, None, None),
    "heartbeat": (None, None, 60, 5),
    "heartbeat above start to close": (None, None, 60, 500),
    "heartbeat zero": (None, None, 60, 0),
    "start to close of millennia": (None, None, 4000 * YEAR, None),
    "everything": (100, 50, 25, 10),
}

RETRY_POLICIES: dict[str, RetryPolicy | None] = {
    "none": None,
    "empty": RetryPolicy(),
    "initial interval": RetryPolicy(initial_interval=seconds(3)),
    "coefficient": RetryPolicy(backoff_coefficient=1.5),
    "maximum interval": RetryPolicy(maximum_interval=seconds(10)),
    "attempts": RetryPolicy(maximum_attempts=5, non_retryable_error_types=["Fatal"]),
    "one attempt": RetryPolicy(maximum_attempts=1, backoff_coefficient=0.1),
}

QUEUE_KINDS = {
    "unspecified": TaskQueueKind.TASK_QUEUE_KIND_UNSPECIFIED,
    "normal": TaskQueueKind.TASK_QUEUE_KIND_NORMAL,
    "sticky": TaskQueueKind.TASK_QUEUE_KIND_STICKY,
}


@pytest.mark.parametrize("start", STARTS)
@scenario()
async def test_start_is_completed(world: World, start: str) -> None:
    run = await world.start(**STARTS[start])
    await world.observe_history("history", run)
    world.observe("description", (await world.describe(run)).execution_config)


@pytest.mark.parametrize("run_timeout", [None, 20, 1000])
@pytest.mark.parametrize("activity", ACTIVITIES)
@scenario()
async def test_activity_timeouts_are_completed(
    world: World, activity: str, run_timeout: float | None
) -> None:
    run = await world.start(
        workflow_run_timeout=None if run_timeout is None else seconds(run_timeout)
    )
    to_close, to_start, running, heartbeat = ACTIVITIES[activity]
    await world.raw.run_workflow_task(
        schedule_activity(
            "activity",
            task_queue="queue",
            schedule_to_close=to_close,
            schedule_to_start=to_start,
            start_to_close=running,
            heartbeat=heartbeat,
        )
    )
    await world.observe_history("history", run)


@pytest.mark.parametrize("policy", RETRY_POLICIES)
@scenario()
async def test_retry_policy_of_an_activity_is_completed(world: World, policy: str) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "activity",
            task_queue="queue",
            start_to_close=60,
            retry_policy=RETRY_POLICIES[policy],
        )
    )
    await world.observe_history("history", run)


@pytest.mark.parametrize("kind", QUEUE_KINDS)
@scenario()
async def test_kind_of_the_task_queue_is_completed(world: World, kind: str) -> None:
    queue = TaskQueue(name=world.task_queue, kind=QUEUE_KINDS[kind])
    run = await world.start(task_queue=queue)
    await world.observe_history("history", run)


@pytest.mark.parametrize("after", [0, 4000 * YEAR])
@scenario()
async def test_timer_is_shortened(world: World, after: float) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    # The next task is asked for at once, so that a timer that has fired stays in the buffer.
    await world.raw.complete_workflow_task(
        task, start_timer("timer", after), force_create_new_workflow_task=bool(after)
    )
    history = await world.history(run)
    event = next(
        event for event in history.events if event.HasField("timer_started_event_attributes")
    )
    world.observe("timer", event.timer_started_event_attributes)
