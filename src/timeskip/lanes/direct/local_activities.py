"""The local activities of a worker: those that wait for a slot, run, or wait for another attempt.

Times are virtual. An attempt that runs out of time is told to stop, and its workflow does not wait
for it any longer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from temporalio.api.common.v1 import Priority, RetryPolicy, WorkflowExecution
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.activity_result import ActivityExecutionResult
from temporalio.bridge.proto.activity_task import (
    ActivityCancellationDetails,
    ActivityCancelReason,
    ActivityTask,
    Cancel,
    Start,
)

from timeskip.clock import DueTime, Nanoseconds
from timeskip.lanes.direct.local_activity_results import (
    LocalActivityResult,
    LocalResolution,
    cancelled,
    timed_out,
)
from timeskip.lanes.direct.local_activity_schedule import (
    LocalSchedule,
    duration_of,
    timestamp_of,
)
from timeskip.lanes.direct.requests import Requests
from timeskip.lanes.direct.slot_info import LocalActivitySlotInfo
from timeskip.lanes.direct.slots import Permit, Slots
from timeskip.lanes.direct.workflow_machines import RunIdentity

_TOKEN_PREFIX = b"local_"


@dataclass
class FinishedLocalActivity:
    """A local activity that has ended. `runtime`: nanoseconds that its last attempt took."""

    run_id: str
    seq: int
    resolution: LocalResolution
    runtime: Nanoseconds


class _LocalActivity:
    """One local activity, through all its attempts."""

    def __init__(self, run: RunIdentity, schedule: LocalSchedule, now: Nanoseconds) -> None:
        self.run = run
        self.schedule = schedule
        self.schedule_time = now
        self.attempt = max(schedule.asked.attempt, 1)
        self.token = b""
        self.permit: Permit[LocalActivitySlotInfo] | None = None
        self.start_time = now
        self.cancel_requested = False
        #: Attempts since the workflow task in which it was scheduled, for the server's statistics.
        self.attempts_in_task = 0
        self.outlived_a_task = False
        self.whole_timeout: DueTime | None = None
        self.attempt_timeout: DueTime | None = None
        self.backoff: DueTime | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.run.run_id, self.schedule.seq

    @property
    def runs(self) -> bool:
        """Whether the activity's code has it."""
        return self.permit is not None

    def stop_clocks(self) -> None:
        for due in (self.whole_timeout, self.attempt_timeout, self.backoff):
            if due is not None:
                due.cancel()


class LocalActivities:
    """All local activities of one worker.

    `dispatch` gives a task to the activities' code, `report` tells a workflow of an end.
    """

    def __init__(
        self,
        requests: Requests,
        slots: Slots[LocalActivitySlotInfo],
        dispatch: Callable[[ActivityTask], None],
        report: Callable[[FinishedLocalActivity], None],
    ) -> None:
        self._requests = requests
        self._slots = slots
        self._dispatch = dispatch
        self._report = report
        self._known: dict[tuple[str, int], _LocalActivity] = {}
        self._running: dict[bytes, _LocalActivity] = {}
        self._waiting: deque[_LocalActivity] = deque()
        #: A slot is taken in advance, as the core does it, for whatever is to begin next.
        self._spare: Permit[LocalActivitySlotInfo] | None = None
        self._stop_reserving: Callable[[], None] | None = None
        self._stopped = False
        self._last_token = 0
        #: Runs none of whose activities the code has, so that only time can bring them on.
        self._idle_runs: set[str] = set()

    @property
    def running(self) -> int:
        """How many attempts the activities' code has."""
        return len(self._running)

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs or is about to run."""
        return not self._running and not self._waiting

    def owns(self, token: bytes) -> bool:
        """Whether a task token is one of a local activity."""
        return token.startswith(_TOKEN_PREFIX)

    def start(self, run: RunIdentity, schedule: LocalSchedule) -> FinishedLocalActivity | None:
        """Execute an activity as soon as there is a slot. Says so if it is too late for that."""
        now = self._requests.now()
        activity = _LocalActivity(run, schedule, now)
        if activity.key in self._known:
            return None
        self._known[activity.key] = activity
        if schedule.schedule_to_close is not None:
            left = schedule.schedule_to_close - (now - schedule.original_schedule_time)
            if left <= 0:
                return self._finished(
                    activity,
                    timed_out(TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE),
                    attempt=schedule.asked.attempt,
                )
            activity.whole_timeout = self._requests.after(
                left, lambda: self._time_out(activity, TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE)
            )
        self._enqueue(activity)
        self._note_idle(run.run_id)
        return None

    def cancel(self, run_id: str, seq: int) -> FinishedLocalActivity | None:
        """Stop an activity. Says so if there is no code that would."""
        activity = self._known.get((run_id, seq))
        if activity is None:
            return None
        if activity.runs:
            self._cancel_running(activity)
            return None
        is_pending = activity.backoff is not None or activity in self._waiting
        self._forget(activity)
        if not is_pending:
            return None
        return FinishedLocalActivity(run_id, seq, LocalResolution(cancelled(), attempt=0), 0)

    def cancel_run(self, run_id: str) -> None:
        """Stop all activities of a run that is about to be forgotten. Nobody waits for them."""
        for activity in self._of_run(run_id):
            if activity.runs:
                self._cancel_running(activity)
            else:
                self._forget(activity)

    def forget_run(self, run_id: str) -> None:
        """The run is not in the worker's memory any more."""
        for activity in self._of_run(run_id):
            self._forget(activity)

    def task_reported(self, run_id: str) -> None:
        """A workflow task of the run is over."""
        for activity in self._of_run(run_id):
            activity.outlived_a_task = True
            activity.attempts_in_task = 0

    def further_attempts(self, run_id: str) -> int:
        """How many attempts of activities that are older than the workflow task it has seen."""
        return sum(
            activity.attempts_in_task
            for activity in self._of_run(run_id)
            if activity.outlived_a_task
        )

    def completed(self, token: bytes, result: ActivityExecutionResult) -> None:
        """The activity's code has ended."""
        activity = self._running.get(token)
        if activity is not None:
            self._ended(activity, _result_of(result))

    def open(self) -> None:
        """The worker begins to work."""
        self._reserve()

    def stop(self) -> None:
        """Workflows have stopped; what they wanted to begin is not begun any more."""
        self._stopped = True
        self._waiting.clear()
        if self._stop_reserving is not None:
            self._stop_reserving()
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.release()
        for activity in list(self._known.values()):
            if not activity.runs:
                self._forget(activity)

    def give_up(self) -> None:
        """The worker is dead: nothing is tried again."""
        for activity in list(self._known.values()):
            finished = None if activity.runs else self.cancel(*activity.key)
            if finished is not None:
                self._report(finished)

    # -- attempts -----------------------------------------------------------------------------

    def _enqueue(self, activity: _LocalActivity) -> None:
        self._waiting.append(activity)
        self._begin_next()

    def _reserve(self) -> None:
        if not self._stopped:
            self._stop_reserving = self._slots.reserve(self._reserved)

    def _reserved(self, permit: Permit[LocalActivitySlotInfo]) -> None:
        self._spare = permit
        self._begin_next()

    def _begin_next(self) -> None:
        while self._waiting and self._spare is not None:
            activity = self._waiting.popleft()
            if activity.key in self._known and self._begin(activity, self._spare):
                self._spare = None
                self._reserve()

    def _begin(self, activity: _LocalActivity, permit: Permit[LocalActivitySlotInfo]) -> bool:
        """Hand an attempt to the code; False if it has waited too long."""
        schedule, now = activity.schedule, self._requests.now()
        waited = now - activity.schedule_time
        if schedule.schedule_to_start is not None and waited > schedule.schedule_to_start:
            finished = self._finished(
                activity,
                timed_out(TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START),
                attempt=activity.attempt,
            )
            finished.runtime = waited
            self._report(finished)
            return False
        self._last_token += 1
        activity.token = _TOKEN_PREFIX + str(self._last_token).encode()
        activity.permit = permit
        activity.backoff = None
        activity.start_time = now
        activity.cancel_requested = False
        permit.use(lambda: LocalActivitySlotInfo(activity_type=schedule.asked.activity_type))
        self._running[activity.token] = activity
        if schedule.start_to_close is not None:
            activity.attempt_timeout = self._requests.after(
                schedule.start_to_close,
                lambda: self._time_out(activity, TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE),
            )
        self._note_idle(activity.run.run_id)
        self._dispatch(ActivityTask(task_token=activity.token, start=_start(activity)))
        return True

    def _time_out(self, activity: _LocalActivity, timeout_type: TimeoutType.ValueType) -> None:
        # Between two attempts there is nothing that could be late.
        if not activity.runs:
            return
        self._dispatch(_cancel(activity.token, ActivityCancelReason.TIMED_OUT, is_timed_out=True))
        self._ended(activity, timed_out(timeout_type))

    def _cancel_running(self, activity: _LocalActivity) -> None:
        if not activity.cancel_requested:
            activity.cancel_requested = True
            self._dispatch(
                _cancel(activity.token, ActivityCancelReason.CANCELLED, is_cancelled=True)
            )

    def _ended(self, activity: _LocalActivity, result: LocalActivityResult) -> None:
        """One attempt has ended: with it the activity, unless there is to be another."""
        del self._running[activity.token]
        permit, activity.permit = activity.permit, None
        if activity.attempt_timeout is not None:
            activity.attempt_timeout.cancel()
        # A run that was forgotten meanwhile may have begun the same activity anew.
        if self._known.get(activity.key) is activity:
            self._report_or_try_again(activity, result)
        if permit is not None:
            permit.release()

    def _report_or_try_again(self, activity: _LocalActivity, result: LocalActivityResult) -> None:
        backoff = self._backoff(activity, result)
        if backoff is None or backoff > activity.schedule.retry_threshold:
            finished = self._finished(activity, result, attempt=activity.attempt)
            finished.runtime = self._requests.now() - activity.start_time
            if backoff is not None:
                finished.resolution.backoff = duration_of(backoff)
            self._report(finished)
        else:
            activity.attempt += 1
            activity.attempts_in_task += 1
            activity.backoff = self._requests.after(backoff, lambda: self._enqueue(activity))
            self._note_idle(activity.run.run_id)

    def _backoff(self, activity: _LocalActivity, result: LocalActivityResult) -> Nanoseconds | None:
        """How long to wait before another attempt; None if there is to be none."""
        may_retry = result.kind == "failed" or (
            result.kind == "timed_out"
            and result.timeout_type == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
        )
        if not may_retry or activity.cancel_requested:
            return None
        return activity.schedule.retry_policy.backoff(activity.attempt, result.failure)

    def _finished(
        self, activity: _LocalActivity, result: LocalActivityResult, *, attempt: int
    ) -> FinishedLocalActivity:
        self._forget(activity)
        return FinishedLocalActivity(
            activity.run.run_id,
            activity.schedule.seq,
            LocalResolution(
                result,
                attempt=attempt,
                original_schedule_time=activity.schedule.original_schedule_time,
            ),
            0,
        )

    def _forget(self, activity: _LocalActivity) -> None:
        activity.stop_clocks()
        if self._known.get(activity.key) is activity:
            del self._known[activity.key]
        self._note_idle(activity.run.run_id)

    def _note_idle(self, run_id: str) -> None:
        """Let time pass for a run if nothing else can happen with its activities."""
        activities = self._of_run(run_id)
        idle = bool(activities) and not any(activity.runs for activity in activities)
        if idle != (run_id in self._idle_runs):
            if idle:
                self._idle_runs.add(run_id)
            else:
                self._idle_runs.discard(run_id)
            self._requests.run_waits_for_time(run_id, idle)

    def _of_run(self, run_id: str) -> list[_LocalActivity]:
        return [activity for (of_run, _), activity in self._known.items() if of_run == run_id]


def _result_of(result: ActivityExecutionResult) -> LocalActivityResult:
    if result.HasField("completed"):
        return LocalActivityResult("completed", payload=result.completed.result)
    if result.HasField("cancelled"):
        return LocalActivityResult("cancelled", failure=result.cancelled.failure)
    failure = result.failed.failure
    return LocalActivityResult(
        "timed_out" if _is_about_timeout(failure) else "failed", failure=failure
    )


def _is_about_timeout(failure: Failure) -> bool:
    while not failure.HasField("timeout_failure_info"):
        if not failure.HasField("cause"):
            return False
        failure = failure.cause
    return True


def _cancel(token: bytes, reason: ActivityCancelReason.ValueType, **details: bool) -> ActivityTask:
    return ActivityTask(
        task_token=token,
        cancel=Cancel(reason=reason, details=ActivityCancellationDetails(**details)),
    )


def _start(activity: _LocalActivity) -> Start:
    run, schedule = activity.run, activity.schedule
    asked = schedule.asked
    start = Start(
        workflow_namespace=run.namespace,
        workflow_type=run.workflow_type,
        workflow_execution=WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id),
        activity_id=asked.activity_id,
        activity_type=asked.activity_type,
        input=asked.arguments,
        scheduled_time=timestamp_of(activity.schedule_time),
        current_attempt_scheduled_time=timestamp_of(activity.schedule_time),
        started_time=timestamp_of(activity.start_time),
        attempt=activity.attempt,
        schedule_to_close_timeout=duration_of(schedule.schedule_to_close or 0),
        retry_policy=_retry_policy(schedule),
        priority=Priority(),
        is_local=True,
    )
    attempt_timeout = schedule.start_to_close or schedule.schedule_to_close
    if attempt_timeout is not None:
        start.start_to_close_timeout.CopyFrom(duration_of(attempt_timeout))
    for name, payload in asked.headers.items():
        start.header_fields[name].CopyFrom(payload)
    return start


def _retry_policy(schedule: LocalSchedule) -> RetryPolicy:
    policy = schedule.retry_policy
    return RetryPolicy(
        initial_interval=duration_of(policy.initial_interval),
        backoff_coefficient=policy.backoff_coefficient,
        maximum_interval=duration_of(policy.maximum_interval),
        maximum_attempts=policy.maximum_attempts,
        non_retryable_error_types=schedule.asked.retry_policy.non_retryable_error_types,
    )
