from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import RetryPolicy

from tests.server.validation.refusals import refusal
from timeskip.server.validation.retry_policy import fill_retry_policy, validate_retry_policy

YEAR = 365 * 24 * 60 * 60


def test_fill_retry_policy_of_an_empty_policy() -> None:
    policy = RetryPolicy()
    fill_retry_policy(policy)
    assert policy == RetryPolicy(
        initial_interval=Duration(seconds=1),
        backoff_coefficient=2.0,
        maximum_interval=Duration(seconds=100),
    )


def test_fill_retry_policy_derives_the_maximum_from_the_initial_interval() -> None:
    policy = RetryPolicy(initial_interval=Duration(seconds=3))
    fill_retry_policy(policy)
    assert policy.maximum_interval == Duration(seconds=300)


def test_fill_retry_policy_keeps_what_is_given() -> None:
    policy = RetryPolicy(
        initial_interval=Duration(seconds=2),
        backoff_coefficient=1.5,
        maximum_interval=Duration(seconds=4),
        maximum_attempts=5,
        non_retryable_error_types=["Fatal"],
    )
    given = RetryPolicy()
    given.CopyFrom(policy)
    fill_retry_policy(policy)
    assert policy == given


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            RetryPolicy(initial_interval=Duration(seconds=-1)),
            "invalid InitialInterval set on retry policy: negative duration",
        ),
        (
            RetryPolicy(backoff_coefficient=0.5),
            "BackoffCoefficient cannot be less than 1 on retry policy.",
        ),
        (
            RetryPolicy(maximum_interval=Duration(seconds=-1)),
            "invalid MaximumInterval set on retry policy: negative duration",
        ),
        (
            RetryPolicy(initial_interval=Duration(seconds=5), maximum_interval=Duration(seconds=1)),
            "MaximumInterval cannot be less than InitialInterval on retry policy.",
        ),
        (
            RetryPolicy(maximum_attempts=-1),
            "MaximumAttempts cannot be negative on retry policy.",
        ),
        (
            RetryPolicy(non_retryable_error_types=["TemporalTimeout:Nope"]),
            "Invalid timeout type value: Nope.",
        ),
        (
            RetryPolicy(non_retryable_error_types=["TemporalTimeout:TIMEOUT_TYPE_UNSPECIFIED"]),
            "Invalid timeout type value: TIMEOUT_TYPE_UNSPECIFIED.",
        ),
        (
            RetryPolicy(initial_interval=Duration(seconds=3 * YEAR)),
            "invalid MaximumInterval set on retry policy: negative duration",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_validate_retry_policy_refuses(policy: RetryPolicy, message: str) -> None:
    assert refusal(validate_retry_policy, policy) == message


@pytest.mark.parametrize(
    "policy",
    [
        RetryPolicy(),
        RetryPolicy(
            maximum_attempts=1, backoff_coefficient=0.1, initial_interval=Duration(seconds=-5)
        ),
        RetryPolicy(non_retryable_error_types=["Fatal", "TemporalTimeout:StartToClose"]),
        RetryPolicy(non_retryable_error_types=["TemporalTimeout:TIMEOUT_TYPE_HEARTBEAT"]),
    ],
    ids=["empty", "one attempt", "timeout type", "timeout type in capitals"],
)
def test_validate_retry_policy_accepts(policy: RetryPolicy) -> None:
    validate_retry_policy(policy)


def test_validate_retry_policy_caps_intervals_at_a_century() -> None:
    policy = RetryPolicy(initial_interval=Duration(seconds=200 * YEAR))
    validate_retry_policy(policy)
    assert policy.initial_interval == Duration(seconds=100 * YEAR)
    assert policy.maximum_interval == Duration(seconds=100 * YEAR)
