"""Retry policies of workflows and activities: what is filled in and what is refused."""

from __future__ import annotations

from typing import Final

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import TimeoutType

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.durations import (
    cap,
    from_nanoseconds,
    nanoseconds,
    why_invalid,
    wrapped_to_int64,
)

_INITIAL_INTERVAL: Final = Duration(seconds=1)
_BACKOFF_COEFFICIENT: Final = 2.0
_MAXIMUM_INTERVAL_COEFFICIENT: Final = 100

_TIMEOUT_PREFIX: Final = "TemporalTimeout:"
_TIMEOUT_TYPES: Final = frozenset(
    spelling
    for name, number in TimeoutType.items()
    if number != TimeoutType.TIMEOUT_TYPE_UNSPECIFIED
    for spelling in (name, name.removeprefix("TIMEOUT_TYPE_").title().replace("_", ""))
)


def fill_retry_policy(policy: RetryPolicy) -> None:
    """Fill in the server's defaults: 1 s, doubling, at most 100 times the first interval.

    A `maximum_attempts` of 0 stays: it means no limit. An initial interval of more than 2.9 years
    overflows in the default for the maximum interval, as it does in the real server.
    """
    if nanoseconds(policy.initial_interval) == 0:
        policy.initial_interval.CopyFrom(_INITIAL_INTERVAL)
    if nanoseconds(policy.maximum_interval) == 0:
        longest = _MAXIMUM_INTERVAL_COEFFICIENT * nanoseconds(policy.initial_interval)
        policy.maximum_interval.CopyFrom(from_nanoseconds(wrapped_to_int64(longest)))
    if policy.backoff_coefficient == 0:
        policy.backoff_coefficient = _BACKOFF_COEFFICIENT


def validate_retry_policy(policy: RetryPolicy) -> None:
    """Fill in the defaults, then refuse the policy with INVALID_ARGUMENT if the real server would.

    With `maximum_attempts` 1 nothing is ever retried and nothing else is looked at. Intervals are
    capped at the longest duration that the server keeps.
    """
    fill_retry_policy(policy)
    validate_filled_retry_policy(policy)


def validate_filled_retry_policy(policy: RetryPolicy) -> None:
    """The same for a policy that lacks nothing, or whose gaps are meant."""
    if policy.maximum_attempts == 1:
        return
    if reason := why_invalid(policy.initial_interval):
        raise invalid_argument(f"invalid InitialInterval set on retry policy: {reason}")
    if policy.backoff_coefficient < 1:
        raise invalid_argument("BackoffCoefficient cannot be less than 1 on retry policy.")
    if reason := why_invalid(policy.maximum_interval):
        raise invalid_argument(f"invalid MaximumInterval set on retry policy: {reason}")
    cap(policy.initial_interval)
    cap(policy.maximum_interval)
    if 0 < nanoseconds(policy.maximum_interval) < nanoseconds(policy.initial_interval):
        raise invalid_argument(
            "MaximumInterval cannot be less than InitialInterval on retry policy."
        )
    if policy.maximum_attempts < 0:
        raise invalid_argument("MaximumAttempts cannot be negative on retry policy.")
    for error_type in policy.non_retryable_error_types:
        if error_type.startswith(_TIMEOUT_PREFIX):
            timeout_type = error_type.removeprefix(_TIMEOUT_PREFIX)
            if timeout_type not in _TIMEOUT_TYPES:
                raise invalid_argument(f"Invalid timeout type value: {timeout_type}.")
