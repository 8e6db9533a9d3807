"""What a workflow asks for when it asks for a local activity."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.bridge.proto.workflow_commands import (
    ActivityCancellationType,
    ScheduleLocalActivity,
)

from timeskip.clock import SECOND, Nanoseconds
from timeskip.lanes.direct.local_retry_policy import LocalRetryPolicy
from timeskip.lanes.direct.machines.annotations import Annotations
from timeskip.lanes.direct.machines.machine import FatalError

#: A longer wait before a retry is a timer of the workflow.
_DEFAULT_THRESHOLD = 60 * SECOND


@dataclass
class LocalSchedule:
    """A checked request. One of the timeouts to close is set, and none exceeds the longest.

    `asked` has what needs no checking.
    """

    asked: ScheduleLocalActivity
    annotations: Annotations
    schedule_to_close: Nanoseconds | None
    schedule_to_start: Nanoseconds | None
    start_to_close: Nanoseconds | None
    retry_policy: LocalRetryPolicy
    retry_threshold: Nanoseconds
    original_schedule_time: Nanoseconds

    @property
    def seq(self) -> int:
        """The workflow's number for it."""
        return self.asked.seq

    @property
    def abandons(self) -> bool:
        """Whether a cancellation is none of the activity's business."""
        return self.asked.cancellation_type == ActivityCancellationType.ABANDON

    @property
    def tries_to_cancel(self) -> bool:
        """Whether a cancellation goes to the activity but is not waited for."""
        return self.asked.cancellation_type == ActivityCancellationType.TRY_CANCEL

    @staticmethod
    def of(
        asked: ScheduleLocalActivity, annotations: Annotations, now: Nanoseconds
    ) -> LocalSchedule:
        """Check a request; raises `FatalError` if it has no timeout."""
        whole = _nanoseconds(asked, "schedule_to_close_timeout")
        one = _nanoseconds(asked, "start_to_close_timeout")
        waiting = _nanoseconds(asked, "schedule_to_start_timeout")
        if whole is None and one is None:
            raise FatalError(
                f"Invalid schedule local activity request (seq {asked.seq}): One or both of "
                "schedule_to_close or start_to_close timeouts must be set for local activities"
            )
        if whole is not None:
            one = None if one is None else min(one, whole)
            waiting = None if waiting is None else min(waiting, whole)
        threshold = _nanoseconds(asked, "local_retry_threshold")
        return LocalSchedule(
            asked=asked,
            annotations=annotations,
            schedule_to_close=whole,
            schedule_to_start=waiting,
            start_to_close=one,
            retry_policy=LocalRetryPolicy.of(asked.retry_policy),
            retry_threshold=_DEFAULT_THRESHOLD if threshold is None else threshold,
            original_schedule_time=asked.original_schedule_time.ToNanoseconds()
            if asked.HasField("original_schedule_time")
            else now,
        )


def duration_of(length: Nanoseconds) -> Duration:
    """A length of time as a message."""
    duration = Duration()
    duration.FromNanoseconds(length)
    return duration


def timestamp_of(moment: Nanoseconds) -> Timestamp:
    """An instant as a message."""
    timestamp = Timestamp()
    timestamp.FromNanoseconds(moment)
    return timestamp


def _nanoseconds(asked: ScheduleLocalActivity, field: str) -> Nanoseconds | None:
    if not asked.HasField(field):  # type: ignore[arg-type]
        return None
    length: int = getattr(asked, field).ToNanoseconds()
    return length
