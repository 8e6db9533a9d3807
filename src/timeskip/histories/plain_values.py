"""Attributes of events as plain Python values, and whether such a value is as expected."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timezone
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import DataConverter

from timeskip.histories.decoding import value_of
from timeskip.histories.set_fields import is_list

_MISSING = object()


def attribute(message: Message, path: str, converter: DataConverter) -> Any:
    """The value at a dotted path, such as `retry_policy.maximum_attempts`.

    `Payloads` are a list of values, durations are timedeltas, instants datetimes, enums their names, a
    message of nothing but a name (`activity_type`, `task_queue`) is that name, and one of nothing but
    entries (`memo`, `header`) a dict. What is not set is None, or empty.

    Raises:
        AttributeError: There is no such attribute. The message says which there are.
    """
    name, _, rest = path.partition(".")
    fields: Mapping[str, Any] = message.DESCRIPTOR.fields_by_name
    if name not in fields:
        raise AttributeError(f"there is no {name!r}; there are {', '.join(fields) or 'none'}")
    field = fields[name]
    value = getattr(message, name)
    if rest:
        if not isinstance(value, Message):
            raise AttributeError(f"{name!r} has no {rest!r}: it is not a message")
        return attribute(value, rest, converter)
    if isinstance(value, Message) and not message.HasField(name):
        return [] if isinstance(value, Payloads) else None
    return plain(value, converter, field)


def plain(value: Any, converter: DataConverter, field: FieldDescriptor | None = None) -> Any:
    """The value of an attribute as `attribute` gives it."""
    if isinstance(value, Payloads):
        return [value_of(payload, converter) for payload in value.payloads]
    if isinstance(value, Payload):
        return value_of(value, converter)
    if isinstance(value, Duration):
        return value.ToTimedelta()
    if isinstance(value, Timestamp):
        return value.ToDatetime(timezone.utc)
    if isinstance(value, Message):
        return _plain_message(value, converter)
    if isinstance(value, Mapping):
        return {key: plain(value[key], converter) for key in value}
    if is_list(value):
        return [plain(item, converter, field) for item in value]
    if field is not None and field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    return value


def _plain_message(message: Message, converter: DataConverter) -> Any:
    names = [field.name for field in message.DESCRIPTOR.fields]
    if names == ["name"] or message.DESCRIPTOR.name == "TaskQueue":
        return getattr(message, "name")  # noqa: B009 - not every message has one
    if names in (["fields"], ["indexed_fields"]):
        return plain(getattr(message, names[0]), converter)
    return {field.name: plain(value, converter, field) for field, value in message.ListFields()}


def is_as_expected(value: Any, expected: Any, converter: DataConverter) -> bool:
    """Whether a plain value is what a test says.

    A callable is asked, a regular expression is searched for. An enum may be named without its
    prefix. A failure may be told by its message. Objects are compared as what the converter makes of
    them, so that a dataclass is equal to the dict that it is in a payload.
    """
    if isinstance(expected, re.Pattern):
        return expected.search(str(value)) is not None
    if callable(expected) and not isinstance(expected, type):
        return bool(expected(value))
    if value == expected:
        return True
    if isinstance(value, dict) and isinstance(expected, str) and "message" in value:
        return bool(value["message"] == expected)
    if isinstance(value, str) and isinstance(expected, str):
        return value.isupper() and value.endswith(f"_{expected.replace(' ', '_').upper()}")
    if isinstance(value, list) and isinstance(expected, (list, tuple)):
        return len(value) == len(expected) and all(
            is_as_expected(*pair, converter) for pair in zip(value, expected, strict=True)
        )
    return bool(_as_data(expected, converter) == value)


def _as_data(expected: Any, converter: DataConverter) -> Any:
    try:
        return json.loads(converter.payload_converter.to_payload(expected).data)
    except Exception:  # noqa: BLE001 - a converter of the user's; then it is not equal to data
        return _MISSING
