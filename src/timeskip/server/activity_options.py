"""Changing the timeouts, the retry policy, the task queue and the priority of pending activities."""

from __future__ import annotations

import re

from google.protobuf.message import Message
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.command.v1 import ScheduleActivityTaskCommandAttributes
from temporalio.api.history.v1 import (
    ActivityTaskScheduledEventAttributes,
    WorkflowExecutionStartedEventAttributes,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    UpdateActivityOptionsRequest,
    UpdateActivityOptionsResponse,
)

from timeskip.server import activities, retries
from timeskip.server.activities import Activity
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.errors import invalid_argument
from timeskip.server.named_activities import named_activities, open_run
from timeskip.server.rpcs import rpc
from timeskip.server.set_fields import replace_field
from timeskip.server.validation.activities import validate_schedule_activity
from timeskip.server.validation.retry_policy import validate_filled_retry_policy

_TIMEOUTS = (
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
)

#: Options that can be changed as a whole.
_WHOLE = frozenset({*_TIMEOUTS, "priority", "start_delay"})

#: Options of which parts can be changed: how the real server calls them, and which parts.
_PARTS = {
    "task_queue": ("TaskQueue", frozenset({"name"})),
    "retry_policy": (
        "RetryPolicy",
        frozenset(
            {"initial_interval", "backoff_coefficient", "maximum_interval", "maximum_attempts"}
        ),
    ),
    "priority": ("Priority", frozenset({"priority_key", "fairness_key", "fairness_weight"})),
}

#: All paths by which options can be changed.
PATHS = _WHOLE.union(
    ["retry_policy"],
    (f"{option}.{part}" for option, (_, parts) in _PARTS.items() for part in parts),
)


@rpc("UpdateActivityOptions")
def update_activity_options(
    cluster: Cluster, call: Call, request: UpdateActivityOptionsRequest
) -> UpdateActivityOptionsResponse:
    """The answer tells the options of one of the activities that were changed."""
    run = open_run(cluster, request)
    if request.restore_original:
        options = [restore(activity) for activity in named_activities(run, request)]
    else:
        if not request.HasField("activity_options"):
            raise invalid_argument("ActivityOptions are not provided")
        if not request.HasField("update_mask"):
            raise invalid_argument("UpdateMask is not provided")
        paths = [snake_case(path) for path in request.update_mask.paths]
        named = named_activities(run, request)
        options = [_merged(activity, request.activity_options, paths) for activity in named]
        for activity, changed in zip(named, options, strict=True):
            _change(activity, changed)
    for activity in named_activities(run, request):
        if not activity.is_started:
            activities.offer_anew(activity, _next_attempt(activity))
    run.commit()
    return UpdateActivityOptionsResponse(activity_options=options[-1])


def restore(activity: Activity, *, but_for_priority: bool = False) -> ActivityOptions:
    """Take back all changes. An attempt that no worker has is for the caller to offer anew."""
    options = _options(activity.original)
    if but_for_priority:
        replace_field(activity.scheduled, options, "priority")
    _change(activity, options)
    return options


def _change(activity: Activity, options: ActivityOptions) -> None:
    scheduled = ActivityTaskScheduledEventAttributes()
    scheduled.CopyFrom(activity.scheduled)
    never_retried = list(activity.original.retry_policy.non_retryable_error_types)
    scheduled.task_queue.name = options.task_queue.name
    for field in (*_TIMEOUTS, "retry_policy", "priority"):
        replace_field(options, scheduled, field)
    scheduled.retry_policy.non_retryable_error_types[:] = never_retried
    activity.scheduled = scheduled
    activity.restart_timeouts()


def _merged(activity: Activity, asked: ActivityOptions, paths: list[str]) -> ActivityOptions:
    """The activity's options with those that the paths name as asked for. Other paths mean nothing."""
    options = _options(activity.scheduled)
    del options.retry_policy.non_retryable_error_types[:]
    for path in paths:
        option, _, part = path.partition(".")
        if path == "retry_policy":
            _require(asked, "retry_policy", "RetryPolicy")
        if path in _WHOLE or path == "retry_policy":
            replace_field(asked, options, path)
        elif option in _PARTS and part in _PARTS[option][1]:
            _require(asked, option, _PARTS[option][0])
            _replace_part(getattr(asked, option), getattr(options, option), part)
    _validate(activity, options)
    if any(path.startswith("retry_policy.") for path in paths):
        validate_filled_retry_policy(options.retry_policy)
    return options


def _require(asked: Message, option: str, told_as: str) -> None:
    if not asked.HasField(option):
        raise invalid_argument(f"{told_as} is not provided")


def _replace_part(source: Message, target: Message, part: str) -> None:
    if source.DESCRIPTOR.fields_by_name[part].message_type is not None:
        replace_field(source, target, part)
    else:
        setattr(target, part, getattr(source, part))


def _validate(activity: Activity, options: ActivityOptions) -> None:
    """Refuse options that no activity could be scheduled with, and complete the timeouts."""
    attributes = ScheduleActivityTaskCommandAttributes(
        activity_id=activity.activity_id,
        activity_type=activity.scheduled.activity_type,
        task_queue=options.task_queue,
        **{field: getattr(options, field) for field in _TIMEOUTS},
    )
    validate_schedule_activity(attributes, WorkflowExecutionStartedEventAttributes())
    options.task_queue.CopyFrom(attributes.task_queue)
    for field in _TIMEOUTS:
        getattr(options, field).CopyFrom(getattr(attributes, field))


def _options(scheduled: ActivityTaskScheduledEventAttributes) -> ActivityOptions:
    options = ActivityOptions(
        task_queue=TaskQueue(name=scheduled.task_queue.name),
        **{field: getattr(scheduled, field) for field in _TIMEOUTS},
        retry_policy=scheduled.retry_policy,
    )
    replace_field(scheduled, options, "priority")
    return options


def _next_attempt(activity: Activity) -> int:
    """When the attempt that no worker has is due by the retry policy as it is now.

    The real server waits as long as it would after this attempt, not after the one before.
    """
    if activity.attempt == 1:
        return activity.scheduled_time
    interval = retries.backoff(activity.scheduled.retry_policy, activity.attempt)
    if interval <= 0:
        return activity.scheduled_time
    return (activity.last_attempt_complete_time or 0) + interval


def snake_case(path: str) -> str:
    """Masks may spell fields as JSON does."""
    return re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), path)
