"""Protobuf messages as the SDK's core prints them.

The core is written in Rust, and some of its errors quote a whole event in Rust's notation. A user
who looks for such an error finds the same words here.
"""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.history.v1 import HistoryEvent

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}

#: Names of fields that Rust has to write as raw identifiers.
_RUST_KEYWORDS = frozenset(
    {"type", "ref", "match", "move", "use", "where", "in", "as", "fn", "impl"}
)

#: The core shortens payloads that are longer.
_LONGEST_PAYLOAD = 64
_SHOWN_OF_PAYLOAD = 32


def event_type_name(event_type: EventType.ValueType) -> str:
    """For example `ActivityTaskScheduled`."""
    return enum_name(EventType.DESCRIPTOR, event_type)


def command_type_name(command_type: CommandType.ValueType) -> str:
    """For example `ScheduleActivityTask`."""
    return enum_name(CommandType.DESCRIPTOR, command_type)


def enum_name(enum: EnumDescriptor, number: int) -> str:
    """A value of an enumeration, without the enumeration's name in front."""
    value = enum.values_by_number.get(number)
    return str(number) if value is None else _camel(value.name).removeprefix(enum.name)


def short(event: HistoryEvent) -> str:
    """An event in a few words: its id and its type."""
    return f"HistoryEvent(id: {event.event_id}, {event_type_name(event.event_type)})"


def full(message: Message) -> str:
    """A message with all its fields."""
    descriptor = message.DESCRIPTOR
    if descriptor.full_name == "temporal.api.common.v1.Payload":
        return _payload(message.data)  # type: ignore[attr-defined]
    parts = [
        f"{_field_name(field)}: {_field(message, field)}"
        for field in descriptor.fields
        if field.containing_oneof is None or _is_optional(field)
    ]
    parts += [
        f"{oneof.name}: {_oneof(message, message.WhichOneof(oneof.name))}"
        for oneof in descriptor.oneofs
        if not _is_optional(oneof.fields[0])
    ]
    return f"{descriptor.name} {{ {', '.join(parts)} }}" if parts else descriptor.name


def _field(message: Message, field: Any) -> str:
    value = getattr(message, field.name)
    if not isinstance(value, (Message, str, bytes, int, float)):
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            of_value = entry.fields_by_name["value"]
            pairs = (f"{_quoted(key)}: {_value(of_value, value[key])}" for key in value)
            return f"{{{', '.join(pairs)}}}"
        return f"[{', '.join(_value(field, one) for one in value)}]"
    if field.has_presence:
        return f"Some({_value(field, value)})" if message.HasField(field.name) else "None"
    return _value(field, value)


def _oneof(message: Message, name: str | None) -> str:
    if name is None:
        return "None"
    field = message.DESCRIPTOR.fields_by_name[name]
    return f"Some({_camel(name)}({_value(field, getattr(message, name))}))"


def _value(field: Any, value: Any) -> str:
    if isinstance(value, Message):
        return full(value)
    if field.enum_type is not None:
        return enum_name(field.enum_type, value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, float):
        return repr(value).replace("e+", "e")
    return _quoted(value) if isinstance(value, str) else str(value)


def _payload(data: bytes) -> str:
    if len(data) <= _LONGEST_PAYLOAD:
        return f"[{base64.b64encode(data).decode()}]"
    first, last = data[:_SHOWN_OF_PAYLOAD], data[-_SHOWN_OF_PAYLOAD:]
    return f"[{base64.b64encode(first).decode()}..{base64.b64encode(last).decode()}]"


def _is_optional(field: Any) -> bool:
    """Whether the schema marks the field as `optional`, so that it is a oneof in name only."""
    oneof = field.containing_oneof
    return oneof is not None and oneof.name == f"_{field.name}"


def _field_name(field: Any) -> str:
    return f"r#{field.name}" if field.name in _RUST_KEYWORDS else field.name


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _quoted(text: str) -> str:
    return f'"{"".join(_ESCAPES.get(character, character) for character in text)}"'
