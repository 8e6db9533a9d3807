"""When a local activity that failed is tried again."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.failure.v1 import Failure

from timeskip.clock import SECOND, Nanoseconds

#: The longest wait unless the policy says otherwise, in initial intervals.
_DEFAULT_MAXIMUM = 100


@dataclass(frozen=True)
class LocalRetryPolicy:
    """A retry policy with a value for everything. `maximum_attempts` of 0 is no limit."""

    initial_interval: Nanoseconds
    backoff_coefficient: float
    maximum_interval: Nanoseconds
    maximum_attempts: int
    non_retryable_error_types: frozenset[str]

    @staticmethod
    def of(asked: RetryPolicy) -> LocalRetryPolicy:
        """A policy as given, with the core's values for what it leaves open or gets wrong."""
        initial = (
            asked.initial_interval.ToNanoseconds() if asked.HasField("initial_interval") else SECOND
        )
        maximum = initial * _DEFAULT_MAXIMUM
        if asked.HasField("maximum_interval"):
            maximum = max(asked.maximum_interval.ToNanoseconds(), initial)
        coefficient = asked.backoff_coefficient
        return LocalRetryPolicy(
            initial_interval=initial,
            backoff_coefficient=coefficient if coefficient >= 1 else 2.0,
            maximum_interval=maximum,
            maximum_attempts=max(asked.maximum_attempts, 0),
            non_retryable_error_types=frozenset(
                kind.lower() for kind in asked.non_retryable_error_types
            ),
        )

    def backoff(self, attempt: int, failure: Failure) -> Nanoseconds | None:
        """How long to wait after a failed attempt; None if there is to be no other."""
        if self.maximum_attempts and attempt >= self.maximum_attempts:
            return None
        info = failure.application_failure_info
        if info.non_retryable or info.type.lower() in self.non_retryable_error_types:
            return None
        if info.HasField("next_retry_delay"):
            return info.next_retry_delay.ToNanoseconds()
        if attempt == 1:
            return self.initial_interval
        try:
            backoff = self.initial_interval * self.backoff_coefficient ** (attempt - 1)
        except OverflowError:
            return self.maximum_interval
        return int(min(backoff, self.maximum_interval))
