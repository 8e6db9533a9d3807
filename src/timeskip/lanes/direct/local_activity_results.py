"""How a local activity ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import ActivityType, Payload
from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import (
    ActivityFailureInfo,
    CanceledFailureInfo,
    Failure,
    TimeoutFailureInfo,
)

from timeskip.clock import Nanoseconds

_TIMED_OUT = "Activity timed out"


@dataclass
class LocalActivityResult:
    """What came of one attempt: `payload` if it completed, `failure` otherwise."""

    kind: Literal["completed", "failed", "timed_out", "cancelled"]
    payload: Payload | None = None
    failure: Failure = field(default_factory=Failure)

    @property
    def timeout_type(self) -> TimeoutType.ValueType:
        """Which timeout it was; unspecified if it was none."""
        return self.failure.timeout_failure_info.timeout_type


def cancelled() -> LocalActivityResult:
    """The end of an activity that was told to stop before its code could say anything."""
    return LocalActivityResult(
        "cancelled",
        failure=Failure(message="Activity cancelled", canceled_failure_info=CanceledFailureInfo()),
    )


def timed_out(timeout_type: TimeoutType.ValueType) -> LocalActivityResult:
    """The end of an activity that took too long."""
    return LocalActivityResult(
        "timed_out",
        failure=Failure(
            message=_TIMED_OUT,
            timeout_failure_info=TimeoutFailureInfo(timeout_type=timeout_type),
        ),
    )


def is_timeout_of_core(failure: Failure) -> bool:
    """Whether it is the core's own word for a timeout, and not what an activity has raised."""
    return (
        failure.HasField("timeout_failure_info")
        and failure.message == _TIMED_OUT
        and not failure.stack_trace
    )


def around_timeout(activity_type: str, activity_id: str, cause: Failure) -> Failure:
    """What a workflow is told whose local activity has timed out just now."""
    return _around("Local Activity timed out", activity_type, activity_id, cause)


def around_cancellation(activity_type: str, activity_id: str, cause: Failure) -> Failure:
    """What a workflow is told whose local activity was cancelled."""
    return _around("Local Activity cancelled", activity_type, activity_id, cause)


def _around(message: str, activity_type: str, activity_id: str, cause: Failure) -> Failure:
    return Failure(
        message=message,
        cause=cause,
        activity_failure_info=ActivityFailureInfo(
            activity_type=ActivityType(name=activity_type),
            activity_id=activity_id,
            retry_state=RetryState.RETRY_STATE_CANCEL_REQUESTED,
        ),
    )


@dataclass
class LocalResolution:
    """The end of a local activity as far as its workflow is concerned.

    `backoff`: the workflow waits so long, with a timer of its own, and then asks again.
    `activation_index`: which activation of its workflow task tells the workflow.
    """

    result: LocalActivityResult
    attempt: int
    backoff: Duration | None = None
    complete_time: Nanoseconds | None = None
    original_schedule_time: Nanoseconds | None = None
    activation_index: int | None = None
