"""How a local activity is recorded in its workflow's history.

The marker's data is JSON, for people who look at it, in the form that the SDK's core reads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import RecordMarkerCommandAttributes
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.history.v1 import HistoryEvent

from timeskip.clock import SECOND, Nanoseconds
from timeskip.lanes.direct import event_types, rust_text
from timeskip.lanes.direct.local_activity_results import LocalActivityResult, LocalResolution
from timeskip.lanes.direct.local_activity_schedule import LocalSchedule
from timeskip.lanes.direct.machines.machine import FatalError

_MARKER_NAME = "core_local_activity"


@dataclass
class LocalActivityMarker:
    """What a marker of a local activity says."""

    seq: int
    activity_id: str
    activity_type: str
    resolution: LocalResolution


def is_marker(event: HistoryEvent) -> bool:
    """Whether an event records a local activity."""
    return (
        event.event_type == event_types.MARKER_RECORDED
        and event.marker_recorded_event_attributes.marker_name == _MARKER_NAME
    )


def read(event: HistoryEvent) -> LocalActivityMarker:
    """What a marker says; raises `FatalError` if it is not what the core writes."""
    attributes = event.marker_recorded_event_attributes
    try:
        data = json.loads(attributes.details["data"].payloads[0].data)
        marker = LocalActivityMarker(
            seq=data["seq"],
            activity_id=data["activity_id"],
            activity_type=data["activity_type"],
            resolution=LocalResolution(
                result=_result_of(event),
                attempt=data["attempt"],
                backoff=Duration(**data["backoff"]) if data["backoff"] is not None else None,
                complete_time=_read_time(data["complete_time"]),
                original_schedule_time=_read_time(data["original_schedule_time"]),
                activation_index=data.get("activation_index"),
            ),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise FatalError(
            f"Local activity marker was unparsable: {rust_text.full(event)}"
        ) from error
    return marker


def attributes_of(
    schedule: LocalSchedule, resolution: LocalResolution
) -> RecordMarkerCommandAttributes:
    """The marker to be recorded for the end of a local activity."""
    asked = schedule.asked
    backoff = resolution.backoff
    data = {
        "seq": asked.seq,
        "attempt": resolution.attempt,
        "activity_id": asked.activity_id,
        "activity_type": asked.activity_type,
        "complete_time": _written_time(resolution.complete_time),
        "backoff": None
        if backoff is None
        else {"seconds": backoff.seconds, "nanos": backoff.nanos},
        "original_schedule_time": _written_time(resolution.original_schedule_time),
        "activation_index": resolution.activation_index,
    }
    attributes = RecordMarkerCommandAttributes(marker_name=_MARKER_NAME)
    attributes.details["data"].payloads.add(
        metadata={"encoding": b"json/plain"},
        data=json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode(),
    )
    result = resolution.result
    if result.kind != "completed":
        attributes.failure.CopyFrom(result.failure)
    elif result.payload is not None:
        attributes.details["result"].payloads.append(result.payload)
    if asked.include_arguments_in_marker:
        attributes.details["input"].CopyFrom(Payloads(payloads=asked.arguments))
    return attributes


def _result_of(event: HistoryEvent) -> LocalActivityResult:
    attributes = event.marker_recorded_event_attributes
    if attributes.HasField("failure"):
        failure = attributes.failure
        cancelled = failure.HasField("canceled_failure_info") or (
            failure.HasField("cause") and failure.cause.HasField("canceled_failure_info")
        )
        return LocalActivityResult("cancelled" if cancelled else "failed", failure=failure)
    payloads = attributes.details["result"].payloads if "result" in attributes.details else ()
    return LocalActivityResult("completed", payload=payloads[-1] if payloads else Payload())


def _read_time(written: Any) -> Nanoseconds | None:
    if written is None:
        return None
    moment: int = written["seconds"] * SECOND + written["nanos"]
    return moment


def _written_time(moment: Nanoseconds | None) -> dict[str, int] | None:
    if moment is None:
        return None
    seconds, nanos = divmod(moment, SECOND)
    return {"seconds": seconds, "nanos": nanos}
