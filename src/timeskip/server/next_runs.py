"""Runs that follow a run of the same workflow: retries, and those of a cron schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import ContinueAsNewInitiator, RetryState
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes

from timeskip.clock import SECOND, Nanoseconds
from timeskip.server import cron, retries, starting

if TYPE_CHECKING:
    from timeskip.server.run import Run

#: A run that closed at once is not followed by the next one before this has passed.
_SHORTEST_RUN: Nanoseconds = SECOND


class NextRun:
    """The run that will follow `run`, decided on before that closes."""

    __slots__ = ("_run", "_started", "run_id")

    def __init__(self, run: Run, started: WorkflowExecutionStartedEventAttributes) -> None:
        self.run_id = run.cluster.ids.uuid()
        self._run = run
        self._started = started

    def start(self) -> None:
        """Start it. The run that it follows has closed."""
        follow(self._run, self.run_id, self._started)


def after_completion(run: Run, result: Payloads | None) -> NextRun | None:
    """The run that a cron schedule wants after one that completes."""
    return _next_by_schedule(run, result=result)


def after_failure(run: Run, failure: Failure) -> tuple[NextRun | None, RetryState.ValueType]:
    """The run that follows one that fails or times out: a retry, or the next of its schedule."""
    backoff, retry_state = _next_attempt(run, failure)
    if backoff is None:
        return _next_by_schedule(run, failure=failure), retry_state
    started = _repeated(run)
    started.initiator = ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY
    started.continued_failure.CopyFrom(failure)
    started.attempt = run.started.attempt + 1
    started.first_workflow_task_backoff.FromNanoseconds(shortest_backoff(run, backoff))
    return NextRun(run, started), retry_state


def _next_attempt(run: Run, failure: Failure) -> tuple[Nanoseconds | None, RetryState.ValueType]:
    """When the run's retry policy lets the next run begin, if it does."""
    if not run.started.HasField("retry_policy"):
        return None, RetryState.RETRY_STATE_RETRY_POLICY_NOT_SET
    return retries.next_attempt(
        run.started.retry_policy,
        run.started.attempt,
        failure,
        run.cluster.clock.now(),
        run.execution_expiration,
    )


def _next_by_schedule(
    run: Run, *, result: Payloads | None = None, failure: Failure | None = None
) -> NextRun | None:
    """The next run of a cron schedule. A failure leaves the last result as it was."""
    if not run.started.cron_schedule:
        return None
    # A reset does not shift the schedule.
    first_started = run.history.events[0].event_time.ToNanoseconds()
    backoff = cron.next_backoff(
        run.started.cron_schedule, _execution_time(run, first_started), run.cluster.clock.now()
    )
    if backoff is None:
        return None
    started = _repeated(run)
    started.initiator = ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE
    if failure is not None:
        started.continued_failure.CopyFrom(failure)
    else:
        started.ClearField("last_completion_result")
        if result is not None:
            started.last_completion_result.CopyFrom(result)
    started.attempt = 1
    started.first_workflow_task_backoff.FromNanoseconds(backoff)
    return NextRun(run, started)


def _repeated(run: Run) -> WorkflowExecutionStartedEventAttributes:
    """The first event of a run that does the same as `run`."""
    started = WorkflowExecutionStartedEventAttributes()
    started.CopyFrom(run.started)
    started.ClearField("continued_failure")
    started.identity = ""
    started.eager_execution_accepted = False
    return started


def _execution_time(run: Run, start_time: Nanoseconds) -> Nanoseconds:
    """When a run that started at this time was to begin its work."""
    return start_time + run.started.first_workflow_task_backoff.ToNanoseconds()


def shortest_backoff(run: Run, backoff: Nanoseconds) -> Nanoseconds:
    """How long the run after `run` has to wait: no tight loop of runs is allowed."""
    lived = run.cluster.clock.now() - _execution_time(run, run.start_time)
    return max(backoff, _SHORTEST_RUN - lived)


def follow(run: Run, new_run_id: str, started: WorkflowExecutionStartedEventAttributes) -> Run:
    """Start the run that follows a closed one, with what all such runs inherit."""
    cluster = run.cluster
    for point in run.reset_points.points:
        if point.run_id == run.run_id:
            point.expire_time.FromNanoseconds(cluster.clock.now() + run.namespace.retention)
    started.prev_auto_reset_points.CopyFrom(run.reset_points)
    started.continued_execution_run_id = run.run_id
    del started.completion_callbacks[:]
    started.completion_callbacks.extend(each.callback for each in run.completion_callbacks)
    started.original_execution_run_id = new_run_id
    if run.execution_expiration is not None:
        started.workflow_execution_expiration_time.FromNanoseconds(run.execution_expiration)
    return starting.start_next(run, new_run_id, started)
