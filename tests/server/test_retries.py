"""Retry policies: the arithmetic of intervals, and who is never tried again."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import (
    ApplicationFailureInfo,
    CanceledFailureInfo,
    ChildWorkflowExecutionFailureInfo,
    Failure,
    ServerFailureInfo,
    TerminatedFailureInfo,
    TimeoutFailureInfo,
)

from timeskip.clock import SECOND
from timeskip.server.retries import next_attempt, timeout_failure

DAY = 86_400 * SECOND
UNLUCKY = Failure(application_failure_info=ApplicationFailureInfo(type="Unlucky"))

NON_RETRYABLE = RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE
IN_PROGRESS = RetryState.RETRY_STATE_IN_PROGRESS
TIMEOUT = RetryState.RETRY_STATE_TIMEOUT
ENOUGH = RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED


def policy(
    initial: float = 1,
    coefficient: float = 2,
    maximum: float = 100,
    attempts: int = 0,
    never: tuple[str, ...] = (),
) -> RetryPolicy:
    """Intervals in seconds."""
    made = RetryPolicy(
        backoff_coefficient=coefficient,
        maximum_attempts=attempts,
        non_retryable_error_types=never,
    )
    made.initial_interval.FromNanoseconds(int(initial * SECOND))
    made.maximum_interval.FromNanoseconds(int(maximum * SECOND))
    return made


def seconds_after(attempt: int, made: RetryPolicy, failure: Failure = UNLUCKY) -> float:
    """The seconds between this attempt and the next."""
    interval, state = next_attempt(made, attempt, failure, 0, None)
    assert state == IN_PROGRESS
    assert interval is not None
    return interval / SECOND


def state_after(
    failure: Failure, made: RetryPolicy | None = None, attempt: int = 1
) -> RetryState.ValueType:
    interval, state = next_attempt(made or policy(), attempt, failure, 0, None)
    assert (interval is not None) == (state == IN_PROGRESS)
    return state


def test_interval_grows_by_the_coefficient_up_to_the_maximum() -> None:
    grown = [seconds_after(attempt, policy()) for attempt in range(1, 10)]
    assert grown == [1, 2, 4, 8, 16, 32, 64, 100, 100]


def test_interval_is_exact_for_fractions() -> None:
    assert seconds_after(3, policy(initial=0.5, coefficient=1.5)) == 1.125


@pytest.mark.parametrize("coefficient", [2, 1e300, float("inf"), float("nan")])
def test_interval_that_overflows_is_the_maximum(coefficient: float) -> None:
    assert seconds_after(5_000, policy(coefficient=coefficient)) == 100


def test_interval_that_overflows_without_a_maximum_is_never() -> None:
    assert state_after(UNLUCKY, policy(maximum=0), attempt=100) == TIMEOUT


@pytest.mark.parametrize(("attempt", "state"), [(1, IN_PROGRESS), (2, IN_PROGRESS), (3, ENOUGH)])
def test_attempts_are_counted(attempt: int, state: RetryState.ValueType) -> None:
    assert state_after(UNLUCKY, policy(attempts=3), attempt) == state


def delayed(delay: Duration) -> Failure:
    return Failure(application_failure_info=ApplicationFailureInfo(next_retry_delay=delay))


def test_failure_may_say_when_to_try_again() -> None:
    assert seconds_after(1, policy(), delayed(Duration(seconds=7))) == 7


@pytest.mark.parametrize(
    "delay",
    [Duration(seconds=101), Duration(), Duration(seconds=-1), Duration(seconds=2**63 - 1)],
    ids=["too long", "none", "negative", "overflowing"],
)
def test_delay_beyond_the_policy_is_the_maximum(delay: Duration) -> None:
    assert seconds_after(1, policy(), delayed(delay)) == 100


@pytest.mark.parametrize(("left", "state"), [(4, IN_PROGRESS), (3.999, TIMEOUT)])
def test_attempt_has_to_begin_before_the_time_is_over(
    left: float, state: RetryState.ValueType
) -> None:
    now = 5 * DAY
    _, found = next_attempt(policy(), 3, UNLUCKY, now, now + int(left * SECOND))
    assert found == state


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (UNLUCKY, IN_PROGRESS),
        (Failure(), IN_PROGRESS),
        (
            Failure(application_failure_info=ApplicationFailureInfo(non_retryable=True)),
            NON_RETRYABLE,
        ),
        (Failure(canceled_failure_info=CanceledFailureInfo()), NON_RETRYABLE),
        (Failure(terminated_failure_info=TerminatedFailureInfo()), NON_RETRYABLE),
        (Failure(server_failure_info=ServerFailureInfo()), IN_PROGRESS),
        (Failure(server_failure_info=ServerFailureInfo(non_retryable=True)), NON_RETRYABLE),
        (
            Failure(child_workflow_execution_failure_info=ChildWorkflowExecutionFailureInfo()),
            IN_PROGRESS,
        ),
    ],
)
def test_kind_of_failure_decides(failure: Failure, state: RetryState.ValueType) -> None:
    assert state_after(failure) == state


@pytest.mark.parametrize(
    ("timeout_type", "state"),
    [
        (TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE, IN_PROGRESS),
        (TimeoutType.TIMEOUT_TYPE_HEARTBEAT, IN_PROGRESS),
        (TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START, NON_RETRYABLE),
        (TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, NON_RETRYABLE),
        (TimeoutType.TIMEOUT_TYPE_UNSPECIFIED, NON_RETRYABLE),
    ],
)
def test_only_timeouts_of_one_attempt_are_tried_again(
    timeout_type: TimeoutType.ValueType, state: RetryState.ValueType
) -> None:
    failure = Failure(timeout_failure_info=TimeoutFailureInfo(timeout_type=timeout_type))
    assert state_after(failure) == state


def test_policy_may_name_error_types() -> None:
    assert state_after(UNLUCKY, policy(never=("Hopeless",))) == IN_PROGRESS
    assert state_after(UNLUCKY, policy(never=("Hopeless", "Unlucky"))) == NON_RETRYABLE


def test_policy_may_name_timeouts() -> None:
    heartbeat = timeout_failure("missed", TimeoutType.TIMEOUT_TYPE_HEARTBEAT)
    assert state_after(heartbeat, policy(never=("TemporalTimeout:Heartbeat",))) == NON_RETRYABLE
    assert state_after(heartbeat, policy(never=("TemporalTimeout:StartToClose",))) == IN_PROGRESS
