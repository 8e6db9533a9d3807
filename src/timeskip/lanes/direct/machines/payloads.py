"""Payloads and other fields on their way between the workflow's messages and the server's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.history.v1 import HistoryEvent

from timeskip.lanes.direct import rust_text
from timeskip.lanes.direct.machines.machine import FatalError


def payloads_of(payloads: Sequence[Payload]) -> Payloads | None:
    """Single payloads as the one message that commands carry; None if there are none."""
    return Payloads(payloads=payloads) if payloads else None


def single_payload(attributes: Any, what: str, event: HistoryEvent) -> Payload | None:
    """The one payload of `attributes.result`, or None if no result is set."""
    if not attributes.HasField("result"):
        return None
    payloads = attributes.result.payloads
    if len(payloads) == 1:
        found: Payload = payloads[0]
        return found
    problem = "MoreThanOnePayload" if payloads else "NoPayload"
    raise FatalError(
        f"Not exactly one payload in {what} ({problem}) for event: "
        f"Some(EventInfo {{ event_id: {event.event_id}, "
        f"event_type: {rust_text.event_type_name(event.event_type)} }})"
    )


def copy_set_fields(source: Message, target: Message, *names: str) -> None:
    """Copy those of the named message fields that are set."""
    for name in names:
        if source.HasField(name):
            getattr(target, name).CopyFrom(getattr(source, name))
