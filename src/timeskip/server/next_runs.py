"""Runs that follow a run of the same workflow: retries, and runs continued as new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.enums.v1 import ContinueAsNewInitiator, RetryState
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes

from timeskip.clock import SECOND, Nanoseconds
from timeskip.server import retries, starting

if TYPE_CHECKING:
    from timeskip.server.run import Run

#: A run that closed at once is not followed by the next one before this has passed.
_SHORTEST_RUN: Nanoseconds = SECOND


def next_attempt(
    run: Run, failure: Failure | None
) -> tuple[Nanoseconds | None, RetryState.ValueType]:
    """When the run's retry policy lets the next run begin, if it does."""
    if not run.started.HasField("retry_policy"):
        return None, RetryState.RETRY_STATE_RETRY_POLICY_NOT_SET
    expiration = None
    if run.started.HasField("workflow_execution_expiration_time"):
        expiration = run.started.workflow_execution_expiration_time.ToNanoseconds()
    return retries.next_attempt(
        run.started.retry_policy, run.started.attempt, failure, run.cluster.clock.now(), expiration
    )


def retry(run: Run, new_run_id: str, backoff: Nanoseconds, failure: Failure | None) -> Run:
    """Start the run that follows one that failed. The failed run is closed already."""
    started = WorkflowExecutionStartedEventAttributes()
    started.CopyFrom(run.started)
    started.initiator = ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY
    started.ClearField("continued_failure")
    if failure is not None:
        started.continued_failure.CopyFrom(failure)
    started.identity = ""
    started.attempt = run.started.attempt + 1
    started.eager_execution_accepted = False
    started.first_workflow_task_backoff.FromNanoseconds(shortest_backoff(run, backoff))
    return follow(run, new_run_id, started)


def shortest_backoff(run: Run, backoff: Nanoseconds) -> Nanoseconds:
    """How long the run after `run` has to wait: no tight loop of runs is allowed."""
    began = run.start_time + run.started.first_workflow_task_backoff.ToNanoseconds()
    lived = run.cluster.clock.now() - began
    return max(backoff, _SHORTEST_RUN - lived)


def follow(run: Run, new_run_id: str, started: WorkflowExecutionStartedEventAttributes) -> Run:
    """Start the run that follows a closed one, with what all such runs inherit."""
    cluster = run.cluster
    for point in run.reset_points.points:
        if point.run_id == run.run_id:
            point.expire_time.FromNanoseconds(cluster.clock.now() + run.namespace.retention)
    started.prev_auto_reset_points.CopyFrom(run.reset_points)
    started.continued_execution_run_id = run.run_id
    started.original_execution_run_id = new_run_id
    return starting.start_next(run, new_run_id, started)
