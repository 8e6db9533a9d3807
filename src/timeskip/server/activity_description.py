"""An activity that is not over yet, as descriptions of its run show it."""

from __future__ import annotations

from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.enums.v1 import PendingActivityState as State
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import PendingActivityInfo

from timeskip.server.activities import Activity
from timeskip.server.pauses import Pause


def pending_info(activity: Activity) -> PendingActivityInfo:
    """The activity as `DescribeWorkflowExecution` shows it."""
    scheduled = activity.scheduled
    policy = scheduled.retry_policy
    now = activity.run.cluster.clock.now()
    info = PendingActivityInfo(
        activity_id=scheduled.activity_id,
        activity_type=scheduled.activity_type,
        state=_state(activity),
        paused=activity.pause is not None,
        attempt=activity.attempt,
        maximum_attempts=policy.maximum_attempts,
        last_failure=activity.last_failure,
        last_worker_identity=activity.identity or activity.last_identity,
        priority=scheduled.priority if scheduled.HasField("priority") else None,
        activity_options=ActivityOptions(
            task_queue=TaskQueue(
                name=scheduled.task_queue.name, normal_name=scheduled.task_queue.name
            ),
            schedule_to_close_timeout=scheduled.schedule_to_close_timeout,
            schedule_to_start_timeout=scheduled.schedule_to_start_timeout,
            start_to_close_timeout=scheduled.start_to_close_timeout,
            heartbeat_timeout=scheduled.heartbeat_timeout,
            retry_policy=policy,
            priority=scheduled.priority if scheduled.HasField("priority") else None,
        ),
    )
    # The service does not repeat the types here.
    del info.activity_options.retry_policy.non_retryable_error_types[:]
    info.scheduled_time.FromNanoseconds(activity.scheduled_time)
    if activity.started_time:
        info.last_started_time.FromNanoseconds(activity.started_time)
    if activity.heartbeat_time is not None:
        info.last_heartbeat_time.FromNanoseconds(activity.heartbeat_time)
        if activity.heartbeat_details is not None:
            info.heartbeat_details.CopyFrom(activity.heartbeat_details)
    if activity.expiration is not None:
        info.expiration_time.FromNanoseconds(activity.expiration)
    if activity.pause is not None:
        info.pause_info.CopyFrom(_pause_info(activity.pause))
    waits = not activity.is_started and activity.pause is None and now < activity.scheduled_time
    if waits:
        info.next_attempt_schedule_time.FromNanoseconds(activity.scheduled_time)
    if activity.last_attempt_complete_time is not None:
        info.last_attempt_complete_time.FromNanoseconds(activity.last_attempt_complete_time)
        if waits:
            info.current_retry_interval.FromNanoseconds(
                activity.scheduled_time - activity.last_attempt_complete_time
            )
    return info


def _state(activity: Activity) -> State.ValueType:
    if activity.cancel_requested:
        return State.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
    if activity.pause is None:
        if activity.is_started:
            return State.PENDING_ACTIVITY_STATE_STARTED
        return State.PENDING_ACTIVITY_STATE_SCHEDULED
    if activity.is_started:
        return State.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED
    return State.PENDING_ACTIVITY_STATE_PAUSED


def _pause_info(pause: Pause) -> PendingActivityInfo.PauseInfo:
    info = PendingActivityInfo.PauseInfo(
        manual=PendingActivityInfo.PauseInfo.Manual(identity=pause.identity, reason=pause.reason)
    )
    info.pause_time.FromNanoseconds(pause.since)
    return info
