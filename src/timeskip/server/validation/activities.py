"""Activities that a workflow schedules: what is refused, and which timeouts result."""

from __future__ import annotations

from temporalio.api.command.v1 import ScheduleActivityTaskCommandAttributes
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes

from timeskip.server.errors import ServiceError, invalid_argument
from timeskip.server.validation.durations import cap, nanoseconds, shorten, why_invalid
from timeskip.server.validation.limits import MAX_ID_LENGTH, byte_length, is_too_long
from timeskip.server.validation.priority import validate_priority
from timeskip.server.validation.retry_policy import validate_retry_policy
from timeskip.server.validation.task_queues import fill_kind, validate_user_task_queue

_TIMEOUTS = {
    "schedule_to_close_timeout": "ScheduleToCloseTimeout",
    "schedule_to_start_timeout": "ScheduleToStartTimeout",
    "start_to_close_timeout": "StartToCloseTimeout",
    "heartbeat_timeout": "HeartbeatTimeout",
}


def validate_schedule_activity(
    attributes: ScheduleActivityTaskCommandAttributes,
    started: WorkflowExecutionStartedEventAttributes,
) -> None:
    """Refuse an activity with INVALID_ARGUMENT, or complete its attributes.

    `started` tells the run timeout, which no timeout exceeds, and the workflow's own task queue.
    Afterwards every timeout and the retry policy are set, as they stand in the scheduled event.
    """
    validate_user_task_queue(
        attributes.task_queue if attributes.HasField("task_queue") else None,
        started.task_queue.name,
    )
    if not attributes.activity_id:
        raise invalid_argument("activityId is not set")
    if not attributes.activity_type.name:
        raise invalid_argument("activityType is not set")
    validate_retry_policy(attributes.retry_policy)
    _validate_length("activityId", attributes.activity_id)
    _validate_length("activityType", attributes.activity_type.name)
    try:
        validate_priority(attributes.priority)
    except ServiceError as error:
        raise invalid_argument(f"invalid priorities: {error.message}") from None
    _validate_timeouts(attributes)
    _complete_timeouts(attributes, started)
    fill_kind(attributes.task_queue)


def _validate_length(told_as: str, name: str) -> None:
    if is_too_long(name):
        raise invalid_argument(
            f"{told_as} exceeds length limit. Length={byte_length(name)} Limit={MAX_ID_LENGTH}"
        )


def _validate_timeouts(attributes: ScheduleActivityTaskCommandAttributes) -> None:
    for field, told_as in _TIMEOUTS.items():
        timeout = getattr(attributes, field)
        if reason := why_invalid(timeout):
            raise invalid_argument(f"invalid {told_as}: {reason}")
        cap(timeout)
    if not nanoseconds(attributes.schedule_to_close_timeout) and not nanoseconds(
        attributes.start_to_close_timeout
    ):
        raise invalid_argument(
            "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. "
            f"ActivityId={attributes.activity_id} ActivityType={attributes.activity_type.name}"
        )


def _complete_timeouts(
    attributes: ScheduleActivityTaskCommandAttributes,
    started: WorkflowExecutionStartedEventAttributes,
) -> None:
    """Derive what is missing; a timeout of zero is unlimited."""
    run_timeout = started.workflow_run_timeout
    to_close = attributes.schedule_to_close_timeout
    to_start = attributes.schedule_to_start_timeout
    running = attributes.start_to_close_timeout
    if nanoseconds(to_close):
        for part in (to_start, running):
            if nanoseconds(part):
                shorten(part, to_close)
            else:
                part.CopyFrom(to_close)
    else:
        to_close.CopyFrom(run_timeout)
        if not nanoseconds(to_start):
            to_start.CopyFrom(run_timeout)
    if nanoseconds(run_timeout):
        for field in _TIMEOUTS:
            shorten(getattr(attributes, field), run_timeout)
    attributes.heartbeat_timeout.SetInParent()
    shorten(attributes.heartbeat_timeout, running)
