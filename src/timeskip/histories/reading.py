"""Histories from the JSON that programs write, whichever of its dialects.

Read are what `temporal workflow show --output json`, the SDKs' `to_json`, the web UI and the server's
HTTP API write: the raw history, the ones with decoded payloads, and the one of older releases
(`ActivityTaskScheduled` for `EVENT_TYPE_ACTIVITY_TASK_SCHEDULED`), in UTF-8 or UTF-16, and compressed
by gzip or not. Names of fields may be in camel or snake case. Fields that this SDK does not know are
left out, as the SDK itself does.
"""

from __future__ import annotations

import base64
import binascii
import functools
import gzip
import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History, HistoryEvent

from timeskip.errors import HistoryUnreadable
from timeskip.histories.set_fields import is_list

_Setter = Callable[[Message, Any], None]

_GZIP = b"\x1f\x8b"
_ENCODING = re.compile(r"[a-z]+/[\w.+-]+")
_WITHOUT_METADATA = frozenset({"data", "externalPayloads", "external_payloads"})
#: What some releases of the web UI add to the metadata, which they leave as it was otherwise.
_SHOWN = "encodingDecoded"
#: In the shorthand of the server's HTTP API, what a protobuf message's JSON is marked with.
_MESSAGE_TYPE = "_protoMessageType"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UTC = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_OF_CADENCE = "it is one of Cadence's, or of Temporal's before 1.0, which no SDK replays any more"
_INTEGERS = (
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
)
_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)
_BOOLEANS = {True: True, False: False, "true": True, "false": False}


def history_from_json(text: str | bytes, name: str = "the history") -> History:
    """The history that the text holds.

    Args:
        text: JSON, or lines of JSON with an event each.
        name: What errors call it, such as the name of the file.

    Raises:
        HistoryUnreadable: The text is no history, or something in it is not as it must be.
    """
    try:
        events = _events_of(_parsed(text))
    except ValueError as error:
        raise HistoryUnreadable(f"{name}: {error}") from None
    except RecursionError:
        raise HistoryUnreadable(f"{name}: its JSON is nested too deeply for a history") from None
    history = History()
    try:
        for event in events:
            _read_event(history.events.add(), event)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        why = _OF_CADENCE if _are_of_cadence(events) else str(error)
        raise HistoryUnreadable(f"{name}: event {len(history.events)}: {why}") from None
    if not history.events:
        raise HistoryUnreadable(f"{name}: there are no events in it")
    if history.events[0].event_id > history.events[-1].event_id:
        history.events.reverse()  # the web UI's list, the latest first
    return history


def _are_of_cadence(events: Sequence[Any]) -> bool:
    types = [event.get("eventType") for event in events if isinstance(event, Mapping)]
    return any(isinstance(each, str) and each.startswith("DecisionTask") for each in types)


def require_sound(history: History, name: str) -> None:
    """Refuse events whose attributes are those of another type, or missing.

    Raises:
        HistoryUnreadable: The message names the event.
    """
    for event in history.events:
        known = EventType.DESCRIPTOR.values_by_number.get(event.event_type)
        if known is None or not event.event_type:
            continue  # of a newer server, which says that it may be ignored
        wanted = f"{known.name.removeprefix('EVENT_TYPE_').lower()}_event_attributes"
        if event.WhichOneof("attributes") != wanted:
            raise HistoryUnreadable(f"{name}: event {event.event_id}: it has no {wanted}")


def _parsed(text: str | bytes) -> Any:
    decoded = _decoded(text) if isinstance(text, bytes) else text.removeprefix("\ufeff")
    try:
        return json.loads(decoded)
    except ValueError as error:
        lines = [line for line in decoded.splitlines() if line.strip()]
        try:
            return [json.loads(line) for line in lines if len(lines) > 1] or _no_json(error)
        except ValueError:
            return _no_json(error)


def _decoded(text: bytes) -> str:
    """Also what was compressed, and what Windows' shells write to files: UTF-16."""
    if text.startswith(_GZIP):
        try:
            text = gzip.decompress(text)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"this is not what gzip has compressed: {error}") from None
    try:
        return text.decode(json.detect_encoding(text))
    except UnicodeDecodeError as error:
        raise ValueError(f"this is no text: {error}") from None


def _no_json(error: ValueError) -> Any:
    raise ValueError(f"this is not JSON: {error}")


def _events_of(data: Any) -> Sequence[Any]:
    if isinstance(data, Mapping) and isinstance(data.get("history"), Mapping):
        data = data["history"]
    events = data.get("events") if isinstance(data, Mapping) else data
    if not isinstance(events, list):
        raise ValueError('this is JSON, but no history: it has no list of "events"')
    return events


def _read_event(event: HistoryEvent, data: Any) -> None:
    if not isinstance(data, Mapping):
        raise TypeError("an event must be an object")
    _read(event, data)
    if not event.event_type and not event.worker_may_ignore:
        told = data.get("eventType", data.get("event_type"))
        raise ValueError(
            "it has no type"
            if told is None
            else f"the installed temporalio does not know events of type {told!r}, a later one may"
        )


def _read(message: Message, data: Any) -> None:
    if not isinstance(data, Mapping):
        raise TypeError(f"an object is needed, not {data!r:.60}")
    setters = _setters(type(message))
    for name, value in data.items():
        setter = setters.get(name)
        if setter is None or value is None:
            continue
        try:
            setter(message, value)
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"{name}: {error}") from None


_known_setters: dict[type[Message], dict[str, _Setter]] = {}


def _setters(kind: type[Message]) -> dict[str, _Setter]:
    """How to set each field of such a message, by both of its names."""
    if kind not in _known_setters:
        _known_setters[kind] = _make_setters(kind())
    return _known_setters[kind]


def _make_setters(empty: Message) -> dict[str, _Setter]:
    setters: dict[str, _Setter] = {}
    fields: Sequence[Any] = empty.DESCRIPTOR.fields
    for field in fields:
        # Its value tells more of a field than every protobuf's descriptor does.
        setter = _setter(field, getattr(empty, field.name))
        setters[field.name] = setters[field.json_name] = setter
    return setters


def _setter(field: FieldDescriptor, empty: Any) -> _Setter:
    name = field.name
    kind = field.message_type
    if isinstance(empty, Mapping):
        return _map_setter(field)
    if kind is not None:
        fill = _FILLERS.get(kind.full_name, _read)
        if is_list(empty):

            def add_each(message: Message, values: Any) -> None:
                items = getattr(message, name)
                for value in _list(values):
                    fill(items.add(), value)

            return add_each

        def fill_in(message: Message, value: Any) -> None:
            inner = getattr(message, name)
            inner.SetInParent()
            fill(inner, value)

        return fill_in
    convert = _scalar(field)
    if is_list(empty):
        return lambda message, values: getattr(message, name).extend(map(convert, _list(values)))
    return lambda message, value: setattr(message, name, convert(value))


def _map_setter(field: FieldDescriptor) -> _Setter:
    name = field.name
    assert field.message_type is not None
    inner = field.message_type.fields_by_name["value"]
    if inner.message_type is None:
        convert = _scalar(inner)

        def set_each(message: Message, values: Any) -> None:
            entries = getattr(message, name)
            for key, value in _mapping(values).items():
                entries[key] = convert(value)

        return set_each
    fill = _FILLERS.get(inner.message_type.full_name, _read)

    def fill_each(message: Message, values: Any) -> None:
        entries = getattr(message, name)
        for key, value in _mapping(values).items():
            fill(entries[key], value)

    return fill_each


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"a list is needed, not {value!r:.60}")
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"an object is needed, not {value!r:.60}")
    return value


def _scalar(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.enum_type is not None:
        return _enum_reader(field.enum_type)
    if field.cpp_type in _INTEGERS:
        return _integer
    if field.cpp_type in _FLOATS:
        return float
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _boolean
    return _bytes if field.type == FieldDescriptor.TYPE_BYTES else _text


def _enum_reader(kind: EnumDescriptor) -> Callable[[Any], int]:
    # The same for all: `EVENT_TYPE_`, `WORKFLOW_TASK_FAILED_CAUSE_`.
    names = [value.name for value in kind.values]
    same = next(
        (i for i, letters in enumerate(zip(*names, strict=False)) if len({*letters}) > 1), 0
    )
    prefix = names[0][: names[0].rfind("_", 0, same) + 1]
    numbers = {
        _plain(name): value.number
        for value in kind.values
        for name in (value.name, value.name.removeprefix(prefix))
    }
    is_event_type = kind.full_name == EventType.DESCRIPTOR.full_name

    def read(value: Any) -> int:
        if isinstance(value, str) and not value.isdecimal():
            # What a newer server knows is left out, as are the fields that it knows.
            return numbers.get(_plain(value), 0)
        number = _integer(value)
        return number if not is_event_type or number in kind.values_by_number else 0

    return read


def _plain(name: str) -> str:
    """`EVENT_TYPE_TIMER_FIRED`, `TIMER_FIRED` and `TimerFired` without what tells them apart."""
    return name.replace("_", "").lower()


def _integer(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"an integer is needed, not {value!r}")
    return int(value)


def _boolean(value: Any) -> bool:
    if value not in _BOOLEANS:
        raise ValueError(f"true or false is needed, not {value!r:.60}")
    return _BOOLEANS[value]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a string is needed, not {value!r:.60}")
    return value


def _bytes(value: Any) -> bytes:
    try:
        text = _text(value).rstrip("=").replace("-", "+").replace("_", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError(f"base64 is needed, not {value!r:.60}") from None


def _read_time(message: Message, value: Any) -> None:
    assert isinstance(message, (Duration, Timestamp))
    if isinstance(value, Mapping):
        _read(message, value)
    elif isinstance(message, Duration) or not (match := _UTC.fullmatch(_text(value))):
        message.FromJsonString(_text(value))
    else:
        # Every event has one, and protobuf takes ten times as long.
        year, month, day, hour, minute, second = map(int, match.groups()[:6])
        since = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc) - _EPOCH
        message.seconds = since.days * 86_400 + since.seconds
        message.nanos = int((match[7] or "").ljust(9, "0"))


def _read_payloads(message: Message, value: Any) -> None:
    """An object as the API has it, or, where payloads were decoded, the list of values alone."""
    assert isinstance(message, Payloads)
    values = value.get("payloads", []) if isinstance(value, Mapping) else value
    for each in _list(values):
        _read_payload(message.payloads.add(), each)


def _read_payload(message: Message, value: Any) -> None:
    """A payload as the API has it, one with its data decoded, or its value alone."""
    assert isinstance(message, Payload)
    if not _is_payload(value):
        _encode_alone(message, value)
        return
    metadata = value.get("metadata") or {}
    encoding, data = metadata.get("encoding"), value.get("data")
    if isinstance(encoding, str) and _ENCODING.fullmatch(encoding):
        # As base64, `json/plain` would be no text at all.
        for key, text in metadata.items():
            message.metadata[key] = _text(text).encode()
        _encode(message, encoding, data)
    elif _SHOWN in metadata or (data is not None and not isinstance(data, str)):
        _read(message, {"metadata": {key: metadata[key] for key in metadata if key != _SHOWN}})
        _encode(message, message.metadata["encoding"].decode(), data)
    else:
        _read(message, value)


def _is_payload(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    metadata = value.get("metadata")
    if not isinstance(metadata, Mapping):
        return _WITHOUT_METADATA.issuperset(value) and isinstance(
            value.get("data"), (str, type(None))
        )
    encoding = metadata.get("encoding")
    # A value alone may have the same keys.
    return "data" not in value or not isinstance(encoding, str) or _is_encoding(encoding)


@functools.lru_cache(maxsize=64)
def _is_encoding(text: str) -> bool:
    """Whether it may be the name of an encoding, plain or as base64."""
    if _ENCODING.fullmatch(text):
        return True
    try:
        return _bytes(text).decode("ascii").isprintable()
    except ValueError:
        return False


def _encode_alone(message: Payload, value: Any) -> None:
    if value is None:
        _encode(message, "binary/null", None)
    elif isinstance(value, Mapping) and isinstance(value.get(_MESSAGE_TYPE), str):
        fields = dict(value)
        message.metadata["messageType"] = fields.pop(_MESSAGE_TYPE).encode()
        _encode(message, "json/protobuf", fields)
    else:
        _encode(message, "json/plain", value)


def _encode(message: Payload, encoding: str, value: Any) -> None:
    message.metadata["encoding"] = encoding.encode()
    if value is None and not encoding.startswith("json/"):
        return
    if isinstance(value, str) and not encoding.startswith("json/"):
        message.data = _bytes(value)
    else:
        message.data = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(
            errors="surrogatepass"
        )


_FILLERS: dict[str, _Setter] = {
    Duration.DESCRIPTOR.full_name: _read_time,
    Timestamp.DESCRIPTOR.full_name: _read_time,
    Payload.DESCRIPTOR.full_name: _read_payload,
    Payloads.DESCRIPTOR.full_name: _read_payloads,
}
