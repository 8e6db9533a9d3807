"""What the value of an attribute looks like in a message to a person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload

from timeskip.histories.set_fields import is_list
from timeskip.hookspecs import plugins


def value_text(value: Any, field: FieldDescriptor | None = None) -> str:
    """One line: payloads decoded, durations in seconds, enums by name, messages field by field."""
    if isinstance(value, Payload):
        return _payload_text(value)
    if isinstance(value, (Duration, Timestamp)):
        return value.ToJsonString()
    if isinstance(value, Message):
        return _braced((inner.name, value_text(item, inner)) for inner, item in value.ListFields())
    if isinstance(value, Mapping):
        return _braced((str(key), value_text(value[key])) for key in sorted(value))
    if is_list(value):
        return "[" + ", ".join(value_text(item, field) for item in value) + "]"
    if field is not None and field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return str(value) if known is None else known.name
    return repr(value)


def is_rendered(payload: Payload) -> bool:
    """Whether a plugin tells what this payload is."""
    return _rendered(payload) is not None


def _rendered(payload: Payload) -> str | None:
    text: str | None = plugins().hook.timeskip_render_payload(payload=payload)
    return text


def _payload_text(payload: Payload) -> str:
    rendered = _rendered(payload)
    if rendered is not None:
        return rendered
    encoding = payload.metadata.get("encoding", b"").decode(errors="replace")
    if encoding == "binary/null":
        return "null"
    if encoding.startswith("json/") or _is_json(payload.data):
        return payload.data.decode(errors="replace")
    return f"{payload.data!r} ({encoding or 'no encoding'})"


def _is_json(data: bytes) -> bool:
    """As a history has what a converter of the user's own could make something of."""
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _braced(entries: Any) -> str:
    return "{" + ", ".join(f"{name}: {text}" for name, text in entries) + "}"
