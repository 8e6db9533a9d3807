from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import ScheduleActivityTaskCommandAttributes
from temporalio.api.common.v1 import ActivityType, Priority, RetryPolicy
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.api.taskqueue.v1 import TaskQueue

from tests.server.validation.refusals import refusal
from timeskip.server.validation.activities import validate_schedule_activity

NO_RUN_TIMEOUT = WorkflowExecutionStartedEventAttributes(task_queue=TaskQueue(name="orders"))


def started(run_timeout: int) -> WorkflowExecutionStartedEventAttributes:
    return WorkflowExecutionStartedEventAttributes(
        task_queue=TaskQueue(name="orders"), workflow_run_timeout=Duration(seconds=run_timeout)
    )


def activity(**fields: Any) -> ScheduleActivityTaskCommandAttributes:
    complete = {
        "activity_id": "a",
        "activity_type": ActivityType(name="A"),
        "task_queue": TaskQueue(name="q"),
        "start_to_close_timeout": Duration(seconds=60),
    }
    return ScheduleActivityTaskCommandAttributes(**{**complete, **fields})


#: Every mistake with its message, in the order in which the real server looks for them.
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "task queue missing": ({"task_queue": None}, "taskQueue is not set"),
    "task queue internal": (
        {"task_queue": TaskQueue(name="temporal-sys-per-ns-tq")},
        (
            "cannot use internal per-namespace task queue:temporal-sys-per-ns-tq "
            "(in parent component task queue: orders)"
        ),
    ),
    "id missing": ({"activity_id": ""}, "activityId is not set"),
    "type missing": ({"activity_type": None}, "activityType is not set"),
    "retry policy": (
        {"retry_policy": RetryPolicy(backoff_coefficient=0.5)},
        "BackoffCoefficient cannot be less than 1 on retry policy.",
    ),
    "id too long": (
        {"activity_id": "a" * 1001},
        "activityId exceeds length limit. Length=1001 Limit=1000",
    ),
    "type too long": (
        {"activity_type": ActivityType(name="A" * 1001)},
        "activityType exceeds length limit. Length=1001 Limit=1000",
    ),
    "priority": (
        {"priority": Priority(priority_key=-1)},
        "invalid priorities: priority key can't be negative",
    ),
    "schedule to close": (
        {"schedule_to_close_timeout": Duration(seconds=-1)},
        "invalid ScheduleToCloseTimeout: negative duration",
    ),
    "schedule to start": (
        {"schedule_to_start_timeout": Duration(seconds=-1)},
        "invalid ScheduleToStartTimeout: negative duration",
    ),
    "start to close": (
        {"start_to_close_timeout": Duration(seconds=-1)},
        "invalid StartToCloseTimeout: negative duration",
    ),
    "heartbeat": (
        {"heartbeat_timeout": Duration(seconds=-1)},
        "invalid HeartbeatTimeout: negative duration",
    ),
    "no timeout": (
        {"start_to_close_timeout": None},
        (
            "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. "
            "ActivityId=a ActivityType=A"
        ),
    ),
}


@pytest.mark.parametrize(("fields", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_validate_schedule_activity_refuses(fields: dict[str, Any], message: str) -> None:
    assert refusal(validate_schedule_activity, activity(**fields), NO_RUN_TIMEOUT) == message


def test_validate_schedule_activity_tells_the_first_mistake() -> None:
    cases = list(MISTAKES.values())
    for (first, message), (second, _) in pairwise(cases):
        if not first.keys() & second.keys():
            attributes = activity(**{**second, **first})
            assert refusal(validate_schedule_activity, attributes, NO_RUN_TIMEOUT) == message


def seconds(attributes: ScheduleActivityTaskCommandAttributes) -> tuple[int, int, int, int]:
    assert attributes.HasField("schedule_to_close_timeout")
    assert attributes.HasField("schedule_to_start_timeout")
    assert attributes.HasField("start_to_close_timeout")
    assert attributes.HasField("heartbeat_timeout")
    return (
        attributes.schedule_to_close_timeout.seconds,
        attributes.schedule_to_start_timeout.seconds,
        attributes.start_to_close_timeout.seconds,
        attributes.heartbeat_timeout.seconds,
    )


@pytest.mark.parametrize(
    ("run_timeout", "given", "completed"),
    [
        # given and completed: schedule-to-close, schedule-to-start, start-to-close, heartbeat
        (0, (0, 0, 60, 0), (0, 0, 60, 0)),
        (0, (60, 0, 0, 0), (60, 60, 60, 0)),
        (0, (30, 0, 60, 0), (30, 30, 30, 0)),
        (0, (90, 0, 60, 0), (90, 90, 60, 0)),
        (0, (0, 5, 60, 0), (0, 5, 60, 0)),
        (0, (60, 500, 0, 0), (60, 60, 60, 0)),
        (0, (0, 0, 60, 5), (0, 0, 60, 5)),
        (0, (0, 0, 60, 500), (0, 0, 60, 60)),
        (0, (0, 0, 400_000_000_000, 0), (0, 0, 3_153_600_000, 0)),
        (20, (0, 0, 60, 0), (20, 20, 20, 0)),
        (20, (60, 0, 0, 0), (20, 20, 20, 0)),
        (20, (0, 5, 60, 0), (20, 5, 20, 0)),
        (20, (0, 5000, 60, 0), (20, 20, 20, 0)),
        (20, (0, 0, 60, 500), (20, 20, 20, 20)),
        (1000, (0, 0, 60, 0), (1000, 1000, 60, 0)),
        (1000, (90, 0, 60, 0), (90, 90, 60, 0)),
        (1000, (0, 5, 60, 0), (1000, 5, 60, 0)),
    ],
)
def test_validate_schedule_activity_completes_timeouts(
    run_timeout: int, given: tuple[int, int, int, int], completed: tuple[int, int, int, int]
) -> None:
    to_close, to_start, running, heartbeat = (
        Duration(seconds=amount) if amount else None for amount in given
    )
    attributes = activity(
        schedule_to_close_timeout=to_close,
        schedule_to_start_timeout=to_start,
        start_to_close_timeout=running,
        heartbeat_timeout=heartbeat,
    )
    validate_schedule_activity(attributes, started(run_timeout))
    assert seconds(attributes) == completed


def test_validate_schedule_activity_completes_retry_policy_and_task_queue() -> None:
    attributes = activity()
    validate_schedule_activity(attributes, NO_RUN_TIMEOUT)
    assert attributes.retry_policy == RetryPolicy(
        initial_interval=Duration(seconds=1),
        backoff_coefficient=2.0,
        maximum_interval=Duration(seconds=100),
    )
    assert attributes.task_queue == TaskQueue(name="q", kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL)


def test_validate_schedule_activity_leaves_the_started_event_alone() -> None:
    before = started(20)
    attributes = activity(schedule_to_start_timeout=Duration(seconds=5))
    validate_schedule_activity(attributes, before)
    attributes.schedule_to_close_timeout.seconds = 7
    assert before == started(20)
