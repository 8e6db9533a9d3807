"""Retry policies: whether something that failed is tried again, and when."""

from __future__ import annotations

from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure, TimeoutFailureInfo

from timeskip.clock import Nanoseconds

#: A retry policy may name a timeout as not retryable: this prefix, then the name of the timeout type.
TIMEOUT_TYPE_PREFIX = "TemporalTimeout:"

#: Names of timeout types as the real server writes them into messages and policies.
TIMEOUT_NAMES = {
    TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE: "StartToClose",
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START: "ScheduleToStart",
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE: "ScheduleToClose",
    TimeoutType.TIMEOUT_TYPE_HEARTBEAT: "Heartbeat",
}

#: Beyond this an interval counts as overflown, as an int64 of nanoseconds does.
_LONGEST: float = float(2**63 - 1)


def timeout_failure(message: str, timeout_type: TimeoutType.ValueType) -> Failure:
    """The failure that the service itself records for a timeout."""
    return Failure(
        message=message,
        source="Server",
        timeout_failure_info=TimeoutFailureInfo(timeout_type=timeout_type),
    )


def workflow_timeout() -> Failure:
    """The failure of a run that timed out."""
    return timeout_failure("workflow timeout", TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE)


def next_attempt(
    policy: RetryPolicy,
    attempt: int,
    failure: Failure | None,
    now: Nanoseconds,
    expiration: Nanoseconds | None,
) -> tuple[Nanoseconds | None, RetryState.ValueType]:
    """How long to wait before the attempt after `attempt`, or None and the reason why there is none.

    `expiration` is the time after which no attempt may begin any more.
    """
    if failure is not None and not is_retryable(failure, policy):
        return None, RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE
    if policy.maximum_attempts and attempt >= policy.maximum_attempts:
        return None, RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
    interval = backoff(policy, attempt, failure)
    if interval <= 0:
        return None, RetryState.RETRY_STATE_TIMEOUT
    if expiration is not None and now + interval > expiration:
        return None, RetryState.RETRY_STATE_TIMEOUT
    return interval, RetryState.RETRY_STATE_IN_PROGRESS


def backoff(policy: RetryPolicy, attempt: int, failure: Failure | None = None) -> Nanoseconds:
    """How long to wait after an attempt, with the policy's maximum; 0 or less if it is too long."""
    interval = _interval(policy, attempt, failure)
    maximum = policy.maximum_interval.ToNanoseconds()
    return interval if not maximum or 0 < interval <= maximum else maximum


def _interval(policy: RetryPolicy, attempt: int, failure: Failure | None) -> Nanoseconds:
    if (
        failure is not None
        and failure.HasField("application_failure_info")
        and failure.application_failure_info.HasField("next_retry_delay")
    ):
        return failure.application_failure_info.next_retry_delay.ToNanoseconds()
    try:
        interval = policy.initial_interval.ToNanoseconds() * policy.backoff_coefficient ** (
            attempt - 1
        )
    except OverflowError:
        return 0
    return int(interval) if interval <= _LONGEST else 0


def is_retryable(failure: Failure, policy: RetryPolicy) -> bool:
    """Whether the policy lets anything be tried again after this failure."""
    kind = failure.WhichOneof("failure_info")
    never = policy.non_retryable_error_types
    if kind in ("terminated_failure_info", "canceled_failure_info"):
        return False
    if kind == "timeout_failure_info":
        timeout_type = failure.timeout_failure_info.timeout_type
        return timeout_type in (
            TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE,
            TimeoutType.TIMEOUT_TYPE_HEARTBEAT,
        ) and (TIMEOUT_TYPE_PREFIX + TIMEOUT_NAMES[timeout_type] not in never)
    if kind == "server_failure_info":
        return not failure.server_failure_info.non_retryable
    if kind == "application_failure_info":
        info = failure.application_failure_info
        return not info.non_retryable and info.type not in never
    return True
