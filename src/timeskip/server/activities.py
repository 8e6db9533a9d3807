"""Activities of a workflow: scheduling, attempts, heartbeats, timeouts, retries, cancellation.

An attempt leaves no event until the activity is over; then the started event of its last attempt and
its result are written together.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from temporalio.api.command.v1 import ScheduleActivityTaskCommandAttributes
from temporalio.api.common.v1 import Payload, Payloads, WorkerVersionStamp
from temporalio.api.enums.v1 import (
    EventType,
    RetryState,
    TaskQueueType,
    TimeoutType,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import (
    ActivityTaskCanceledEventAttributes,
    ActivityTaskCancelRequestedEventAttributes,
    ActivityTaskCompletedEventAttributes,
    ActivityTaskFailedEventAttributes,
    ActivityTaskScheduledEventAttributes,
    ActivityTaskStartedEventAttributes,
    ActivityTaskTimedOutEventAttributes,
    HistoryEvent,
)
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
)

from timeskip.clock import DueTime, Nanoseconds
from timeskip.server import instants, retries, tokens, workflow_tasks
from timeskip.server.applied_events import applies
from timeskip.server.calls import Call
from timeskip.server.history import scheduled_event_id_of
from timeskip.server.pauses import Pause
from timeskip.server.set_fields import copy_set
from timeskip.server.validation.failure_size import remembered_failure

if TYPE_CHECKING:
    from timeskip.server.run import Run


#: What the service itself reports as details when it cancels an activity that no worker had.
NOT_STARTED_DETAILS = Payloads(
    payloads=[
        Payload(
            metadata={"encoding": b"json/plain"},
            data=json.dumps("ACTIVITY_ID_NOT_STARTED").encode(),
        )
    ]
)

#: What a scheduled event has of its command even if that does not say it.
_ALWAYS_TOLD = (
    "activity_type",
    "task_queue",
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
    "retry_policy",
)

#: Timeouts after which no other attempt can help.
_OF_ALL_ATTEMPTS = (
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START,
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE,
)

#: The order of timeouts at one instant. In virtual time an attempt may start at the very instant at
#: which it was scheduled; on the real server it starts later, and so does what counts since then.
_AT_ONE_INSTANT = (
    *_OF_ALL_ATTEMPTS,
    TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE,
    TimeoutType.TIMEOUT_TYPE_HEARTBEAT,
)

#: What is reported when the attempts together have run out of time.
_NO_TIME_FOR_ANOTHER = (
    "Not enough time to schedule next retry before activity ScheduleToClose timeout, "
    "giving up retrying"
)


class Activity:
    """An activity that is scheduled or running. `attempt` counts from 1."""

    __slots__ = (
        "attempt",
        "cancel_request_id",
        "cancel_requested",
        "dues",
        "first_scheduled_time",
        "heartbeat_details",
        "heartbeat_time",
        "identity",
        "is_deserted",
        "last_attempt_complete_time",
        "last_failure",
        "last_identity",
        "original",
        "pause",
        "request_id",
        "reset",
        "reset_heartbeats",
        "retry_due",
        "run",
        "scheduled",
        "scheduled_event_id",
        "scheduled_time",
        "stamp",
        "started_time",
        "token",
        "worker_version",
    )

    def __init__(self, run: Run, event: HistoryEvent) -> None:
        when = event.event_time.ToNanoseconds()
        self.run = run
        self.original = event.activity_task_scheduled_event_attributes
        #: As it was scheduled, but for the options that have been changed since.
        self.scheduled = self.original
        self.scheduled_event_id = event.event_id
        self.attempt = 1
        self.first_scheduled_time = when
        self.scheduled_time = when
        self.last_attempt_complete_time: Nanoseconds | None = None
        self.started_time: Nanoseconds = 0
        self.request_id = ""
        self.identity = ""
        #: Whether its worker has ended the attempt in words that were refused: it has to time out.
        self.is_deserted = False
        self.last_identity = ""
        #: The build that ended the last attempt, if it said so.
        self.worker_version: WorkerVersionStamp | None = None
        self.heartbeat_details: Payloads | None = None
        self.heartbeat_time: Nanoseconds | None = None
        self.last_failure: Failure | None = None
        self.cancel_requested = False
        self.cancel_request_id = 0
        self.pause: Pause | None = None
        #: A reset that the running attempt has not ended for yet, and whether it forgets heartbeats.
        self.reset = False
        self.reset_heartbeats = False
        #: Grows with everything that makes tasks which wait in queues out of date.
        self.stamp = 0
        self.token = b""
        self.dues: dict[TimeoutType.ValueType, DueTime] = {}
        self.retry_due: DueTime | None = None

    @property
    def activity_id(self) -> str:
        return self.scheduled.activity_id

    @property
    def is_pending(self) -> bool:
        """Whether it is not over yet."""
        return self.run.activities.get(self.scheduled_event_id) is self

    @property
    def is_started(self) -> bool:
        return bool(self.token)

    @property
    def expiration(self) -> Nanoseconds | None:
        """After what time no attempt begins any more, or None. Later options do not change it."""
        limit = self.original.schedule_to_close_timeout.ToNanoseconds()
        return self.first_scheduled_time + limit if limit else None

    def forget(self) -> None:
        """The activity is over: no timeout fires and no attempt is expected any more."""
        self.stop_timeouts()
        if self.retry_due is not None:
            self.retry_due.cancel()
        self.run.cluster.started_activities.pop(self.token, None)

    def wait_for(
        self, timeout_type: TimeoutType.ValueType, since: Nanoseconds, limit: Nanoseconds
    ) -> None:
        """Set the deadline of one timeout; a limit of 0 means none. A paused activity has none."""
        old = self.dues.pop(timeout_type, None)
        if old is not None:
            old.cancel()
        if limit and self.pause is None:
            run = self.run
            self.dues[timeout_type] = run.cluster.clock.schedule(
                since + limit, lambda: _time_out_expired(run)
            )

    def restart_timeouts(self) -> None:
        """Set every deadline anew, by what is known of the activity now."""
        self.stop_timeouts()
        scheduled = self.scheduled
        self.wait_for(
            TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE,
            self.first_scheduled_time,
            scheduled.schedule_to_close_timeout.ToNanoseconds(),
        )
        if self.is_started:
            self.wait_for(
                TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE,
                self.started_time,
                scheduled.start_to_close_timeout.ToNanoseconds(),
            )
            self.wait_for(
                TimeoutType.TIMEOUT_TYPE_HEARTBEAT,
                max(self.started_time, self.heartbeat_time or 0),
                scheduled.heartbeat_timeout.ToNanoseconds(),
            )
        elif self.retry_due is None:
            self.wait_for(
                TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START,
                self.scheduled_time,
                scheduled.schedule_to_start_timeout.ToNanoseconds(),
            )

    def stop_timeouts(self) -> None:
        for due in self.dues.values():
            due.cancel()
        self.dues.clear()

    def withdraw(self) -> None:
        """No worker is given what it was offered, or would be offered later."""
        self.stamp += 1
        if self.retry_due is not None:
            self.retry_due.cancel()
            self.retry_due = None

    def stop_attempt(self) -> None:
        """The attempt is over, the activity is not."""
        for timeout_type in (
            TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE,
            TimeoutType.TIMEOUT_TYPE_HEARTBEAT,
            TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START,
        ):
            due = self.dues.pop(timeout_type, None)
            if due is not None:
                due.cancel()
        self.run.cluster.started_activities.pop(self.token, None)
        self.token = b""
        self.started_time = 0
        self.request_id = ""
        self.worker_version = None
        self.last_identity = self.identity


class ActivityTask:
    """One attempt that waits in a task queue."""

    __slots__ = ("activity", "stamp")

    def __init__(self, activity: Activity) -> None:
        self.activity = activity
        self.stamp = activity.stamp

    @property
    def workflow_id(self) -> str:
        return self.activity.run.workflow_id

    @property
    def is_stale(self) -> bool:
        activity = self.activity
        return not activity.is_pending or activity.is_started or activity.stamp != self.stamp

    def dispatch(self, poll: Call) -> bool:
        if self.is_stale:
            return False
        activity = self.activity
        run = activity.run
        request = poll.request
        assert isinstance(request, PollActivityTaskQueueRequest)
        start(activity, run.cluster.ids.uuid(), request.identity)
        poll.respond(task_response(activity))
        return True


def schedule(
    run: Run, attributes: ScheduleActivityTaskCommandAttributes, completed_id: int
) -> tuple[HistoryEvent, Activity]:
    """Write the scheduled event and open the activity. The caller puts it into its queue, or starts it."""
    scheduled = ActivityTaskScheduledEventAttributes(
        activity_id=attributes.activity_id,
        workflow_task_completed_event_id=completed_id,
        use_workflow_build_id=attributes.use_workflow_build_id,
    )
    copy_set(attributes, scheduled, "header", "input", "priority")
    for field in _ALWAYS_TOLD:
        getattr(scheduled, field).CopyFrom(getattr(attributes, field))
    event = run.add(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, scheduled)
    return event, run.activities[event.event_id]


@applies(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
def _open(run: Run, event: HistoryEvent) -> None:
    activity = Activity(run, event)
    run.activities[event.event_id] = activity
    activity.wait_for(
        TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE,
        activity.first_scheduled_time,
        activity.scheduled.schedule_to_close_timeout.ToNanoseconds(),
    )


@applies(EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED)
def _note_cancellation(run: Run, event: HistoryEvent) -> None:
    attributes = event.activity_task_cancel_requested_event_attributes
    activity = run.activities.get(attributes.scheduled_event_id)
    if activity is not None:
        activity.cancel_requested = True
        activity.cancel_request_id = event.event_id


@applies(
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
)
def _close(run: Run, event: HistoryEvent) -> None:
    run.activities.pop(scheduled_event_id_of(event)).forget()


def enqueue(activity: Activity) -> None:
    """Offer the next attempt to the workers."""
    run = activity.run
    if run.stands_still:
        return
    await_worker(activity)
    queues = run.cluster.queues
    queue = queues.queue(
        run.namespace.name,
        activity.scheduled.task_queue.name,
        TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    queues.add(queue, ActivityTask(activity))


def schedule_anew(activity: Activity) -> None:
    """Offer the first attempt again: a reset has brought the activity back."""
    now = activity.run.cluster.clock.now()
    activity.first_scheduled_time = activity.scheduled_time = now
    activity.wait_for(
        TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE,
        now,
        activity.scheduled.schedule_to_close_timeout.ToNanoseconds(),
    )
    enqueue(activity)


def await_worker(activity: Activity) -> None:
    """The next attempt is due: from now on a worker has so long to take it."""
    activity.retry_due = None
    activity.wait_for(
        TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START,
        activity.scheduled_time,
        activity.scheduled.schedule_to_start_timeout.ToNanoseconds(),
    )


def offer_anew(activity: Activity, when: Nanoseconds) -> None:
    """Let the attempt that no worker has begin at `when`, however long it would have waited.

    As on the real server the last failure is forgotten with it.
    """
    activity.withdraw()
    activity.last_failure = None
    _prepare_attempt(activity, when)
    if activity.pause is None:
        offer_when_due(activity)
    activity.restart_timeouts()


def offer_when_due(activity: Activity) -> None:
    """Offer the attempt at the time that it is scheduled for, which may be now."""
    clock = activity.run.cluster.clock
    if activity.scheduled_time > clock.now():
        activity.retry_due = clock.schedule(activity.scheduled_time, lambda: enqueue(activity))
    else:
        enqueue(activity)


def start_over(activity: Activity) -> None:
    """Count the attempts from 1 again. What the worker of a later one still reports is refused."""
    if activity.is_started and activity.attempt > 1:
        activity.run.cluster.started_activities.pop(activity.token, None)
        activity.attempt = 1
        activity.token = tokens.activity_task(activity)
    activity.attempt = 1


def start(activity: Activity, request_id: str, identity: str) -> None:
    """A worker takes the attempt."""
    now = activity.run.cluster.clock.now()
    activity.started_time = now
    activity.request_id = request_id
    activity.identity = identity
    activity.is_deserted = False
    activity.token = tokens.activity_task(activity)
    activity.wait_for(TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START, now, 0)
    activity.wait_for(
        TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE,
        now,
        activity.scheduled.start_to_close_timeout.ToNanoseconds(),
    )
    activity.wait_for(
        TimeoutType.TIMEOUT_TYPE_HEARTBEAT,
        now,
        activity.scheduled.heartbeat_timeout.ToNanoseconds(),
    )
    activity.run.cluster.started_activities[activity.token] = activity
    activity.run.state_transitions += 1


def task_response(activity: Activity) -> PollActivityTaskQueueResponse:
    """The started attempt as a worker receives it.

    As on the real server it tells of the timeouts that the activity was scheduled with, even if
    others are in force by now.
    """
    run = activity.run
    scheduled, original = activity.scheduled, activity.original
    response = PollActivityTaskQueueResponse(
        task_token=activity.token,
        workflow_namespace=run.namespace.name,
        activity_id=scheduled.activity_id,
        heartbeat_details=activity.heartbeat_details,
        attempt=activity.attempt,
    )
    response.workflow_type.name = run.workflow_type
    response.workflow_execution.workflow_id = run.workflow_id
    response.workflow_execution.run_id = run.run_id
    response.activity_type.name = scheduled.activity_type.name
    response.retry_policy.CopyFrom(scheduled.retry_policy)
    copy_set(scheduled, response, "header", "input", "priority")
    for timeout in ("schedule_to_close_timeout", "start_to_close_timeout", "heartbeat_timeout"):
        getattr(response, timeout).CopyFrom(getattr(original, timeout))
    instants.show(response.scheduled_time, activity.first_scheduled_time)
    instants.show(response.current_attempt_scheduled_time, activity.scheduled_time)
    instants.show(response.started_time, activity.started_time)
    return response


def heartbeat(activity: Activity, details: Payloads | None) -> None:
    """The attempt is alive. Without details the earlier ones are forgotten, as on the real server."""
    now = activity.run.cluster.clock.now()
    activity.heartbeat_details = details
    activity.heartbeat_time = now
    activity.wait_for(
        TimeoutType.TIMEOUT_TYPE_HEARTBEAT,
        now,
        activity.scheduled.heartbeat_timeout.ToNanoseconds(),
    )
    activity.run.state_transitions += 1


def complete(activity: Activity, result: Payloads | None, identity: str) -> None:
    run = activity.run
    _write_started(activity)
    run.add(
        EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
        ActivityTaskCompletedEventAttributes(
            result=result,
            scheduled_event_id=activity.scheduled_event_id,
            identity=identity,
        ),
    )
    _tell(run)


def fail(activity: Activity, failure: Failure, identity: str) -> None:
    """An attempt failed: try again later, or give up."""
    run = activity.run
    for observer in run.cluster.observers:
        observer.activity_attempt_failed(run, activity, failure)
    retry_state = _retry(activity, failure)
    if retry_state == RetryState.RETRY_STATE_IN_PROGRESS:
        activity.last_attempt_complete_time = run.cluster.clock.now()
        run.commit()
        return
    _write_started(activity)
    run.add(
        EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
        ActivityTaskFailedEventAttributes(
            failure=failure,
            scheduled_event_id=activity.scheduled_event_id,
            identity=identity,
            retry_state=retry_state,
        ),
    )
    _tell(run)


def cancel(activity: Activity, details: Payloads | None, identity: str) -> None:
    """The worker confirms that the attempt was cancelled."""
    run = activity.run
    _write_started(activity)
    run.add(
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
        ActivityTaskCanceledEventAttributes(
            details=details,
            latest_cancel_requested_event_id=activity.cancel_request_id,
            scheduled_event_id=activity.scheduled_event_id,
            identity=identity,
        ),
    )
    _tell(run)


def request_cancel(run: Run, scheduled_event_id: int, completed_id: int, identity: str) -> bool:
    """The workflow wants an activity cancelled. True if that ended it, because no worker had it yet."""
    run.add(
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED,
        ActivityTaskCancelRequestedEventAttributes(
            scheduled_event_id=scheduled_event_id,
            workflow_task_completed_event_id=completed_id,
        ),
    )
    activity = run.activities.get(scheduled_event_id)
    if activity is None or activity.is_started:
        return False
    run.add(
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
        ActivityTaskCanceledEventAttributes(
            details=NOT_STARTED_DETAILS,
            latest_cancel_requested_event_id=activity.cancel_request_id,
            scheduled_event_id=scheduled_event_id,
            identity=identity,
        ),
    )
    return True


def _retry(activity: Activity, failure: Failure) -> RetryState.ValueType:
    """Set up the next attempt if the policy allows one.

    While the activity is paused no attempt is the last one, and the next one gets no time.
    """
    if activity.cancel_requested:
        return RetryState.RETRY_STATE_CANCEL_REQUESTED
    now = activity.run.cluster.clock.now()
    policy = activity.scheduled.retry_policy
    if activity.pause is not None and retries.is_retryable(failure, policy):
        _leave_attempt(activity, failure)
        return RetryState.RETRY_STATE_IN_PROGRESS
    interval, retry_state = retries.next_attempt(
        policy, activity.attempt, failure, now, activity.expiration
    )
    if interval is None:
        return retry_state
    _leave_attempt(activity, failure)
    _prepare_attempt(activity, now + interval)
    activity.retry_due = activity.run.cluster.clock.schedule(
        activity.scheduled_time, lambda: enqueue(activity)
    )
    return retry_state


def _leave_attempt(activity: Activity, failure: Failure) -> None:
    activity.stop_attempt()
    activity.attempt += 1
    activity.last_failure = remembered_failure(failure)
    activity.last_attempt_complete_time = None


def _prepare_attempt(activity: Activity, when: Nanoseconds) -> None:
    activity.scheduled_time = when
    if activity.reset_heartbeats:
        activity.heartbeat_details = activity.heartbeat_time = None
    activity.reset = activity.reset_heartbeats = False


def _time_out_expired(run: Run) -> None:
    """Handle every activity timeout of the run that is due by now, as one change.

    One of an attempt may leave that of all attempts to the attempt that follows.
    """
    ended = False
    while expired := _expired(run):
        for _, scheduled_event_id, timeout_type, attempt in expired:
            activity = run.activities.get(scheduled_event_id)
            if activity is not None and activity.attempt == attempt:
                ended |= _time_out(activity, timeout_type)
    if ended:
        workflow_tasks.schedule_if_needed(run)
    run.commit()


def _expired(run: Run) -> list[tuple[Nanoseconds, int, TimeoutType.ValueType, int]]:
    """What is due by now, in order: when, and of which attempt of which activity."""
    now = run.cluster.clock.now()
    expired = [
        (due.when, activity.scheduled_event_id, timeout_type, activity.attempt)
        for activity in run.activities.values()
        for timeout_type, due in activity.dues.items()
        if due.when <= now
    ]
    return sorted(expired, key=lambda each: (*each[:2], _AT_ONE_INSTANT.index(each[2])))


def _time_out(activity: Activity, timeout_type: TimeoutType.ValueType) -> bool:
    """One timeout of one activity; True if it ended the activity."""
    run = activity.run
    failure = _timeout_failure(timeout_type)
    for observer in run.cluster.observers:
        observer.activity_attempt_failed(run, activity, failure)
    retry_state = _retry(activity, failure)
    if retry_state == RetryState.RETRY_STATE_IN_PROGRESS:
        return False
    if timeout_type in _OF_ALL_ATTEMPTS and retry_state != RetryState.RETRY_STATE_CANCEL_REQUESTED:
        retry_state = RetryState.RETRY_STATE_TIMEOUT
    if (
        retry_state == RetryState.RETRY_STATE_TIMEOUT
        and timeout_type != TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START
    ):
        failure = retries.timeout_failure(
            _NO_TIME_FOR_ANOTHER, TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
        )
    if activity.heartbeat_details is not None:
        failure.timeout_failure_info.last_heartbeat_details.CopyFrom(activity.heartbeat_details)
    if activity.last_failure is not None:
        failure.cause.CopyFrom(activity.last_failure)
    if activity.is_started:
        _write_started(activity)
    run.add(
        EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
        ActivityTaskTimedOutEventAttributes(
            failure=failure,
            scheduled_event_id=activity.scheduled_event_id,
            retry_state=retry_state,
        ),
    )
    return True


def _timeout_failure(timeout_type: TimeoutType.ValueType) -> Failure:
    return retries.timeout_failure(
        f"activity {retries.TIMEOUT_NAMES[timeout_type]} timeout", timeout_type
    )


def _write_started(activity: Activity) -> None:
    """Write the last attempt's started event, as of the time when it started."""
    attributes = ActivityTaskStartedEventAttributes(
        scheduled_event_id=activity.scheduled_event_id,
        identity=activity.identity,
        request_id=activity.request_id,
        attempt=activity.attempt,
        last_failure=activity.last_failure,
    )
    if activity.worker_version is not None:
        attributes.worker_version.CopyFrom(activity.worker_version)
    activity.run.history.add(
        EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED, activity.started_time, attributes
    )


def _tell(run: Run) -> None:
    """An activity is over: the workflow shall know."""
    workflow_tasks.schedule_if_needed(run)
    run.commit()
