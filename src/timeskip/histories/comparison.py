"""Where two histories part ways, told to a person.

Histories are compared as they are given: `normal_form` takes away first what shall not matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History, HistoryEvent

from timeskip.histories.set_fields import is_list
from timeskip.histories.value_text import is_rendered, value_text

_ABSENT = "(absent)"
_MISSING = object()
_EVENTS_AROUND = 3

# Messages that are told as one value, not field by field.
_WHOLE = (Payload, Duration, Timestamp)


@dataclass(frozen=True)
class Difference:
    """The first difference of two histories.

    `str()` of it is a message of several lines. `path` is the attribute's path from the event on,
    empty if the histories differ in the event's type or in which of them has it at all. `expected`
    and `actual` are the two sides as text.
    """

    index: int
    path: str
    expected: str
    actual: str
    before: str
    where: str
    what: str = "histories"

    @property
    def headline(self) -> str:
        """Where they differ, in one line."""
        return f"The {self.what} differ at {self.where}:"

    def __str__(self) -> str:
        lines = [self.headline]
        if self.path:
            lines.append(f"  {self.path}")
        lines += [f"    expected: {self.expected}", f"    actual:   {self.actual}"]
        if self.before:
            lines.append(f"  the same before it: {self.before}")
        return "\n".join(lines)


def first_difference(expected: History, actual: History) -> Difference | None:
    """The first event in which the histories differ and the first attribute of it, or None."""
    for index in range(max(len(expected.events), len(actual.events))):
        ours, theirs = _event(expected, index), _event(actual, index)
        if ours == theirs:
            continue
        before = ", ".join(
            _title(event) for event in expected.events[max(0, index - _EVENTS_AROUND) : index]
        )
        if ours is None or theirs is None or ours.event_type != theirs.event_type:
            return Difference(
                index=index,
                path="",
                expected=_continuation(expected, index),
                actual=_continuation(actual, index),
                before=before,
                where=f"event {index + 1}",
            )
        for path, left, right in _differing(ours, theirs, ""):
            where = _title(ours)
            return Difference(index, path.removeprefix("."), left, right, before, where)
    return None


def _event(history: History, index: int) -> HistoryEvent | None:
    return history.events[index] if index < len(history.events) else None


def _title(event: HistoryEvent) -> str:
    known = EventType.DESCRIPTOR.values_by_number.get(event.event_type)
    if known is None:
        return f"{event.event_id} event of type {event.event_type}"
    return f"{event.event_id} {known.name.removeprefix('EVENT_TYPE_').title().replace('_', '')}"


def _continuation(history: History, index: int) -> str:
    """How a history goes on: the event told in full, those after it by their names."""
    if index >= len(history.events):
        return "no more events"
    event = history.events[index]
    kind = event.WhichOneof("attributes")
    attributes = value_text(getattr(event, kind)) if kind else "{}"
    following = history.events[index + 1 : index + _EVENTS_AROUND]
    return ", then ".join([f"{_title(event)} {attributes}", *map(_title, following)])


def _differing(expected: Message, actual: Message, path: str) -> Iterator[tuple[str, str, str]]:
    """The attributes that differ, each with its two sides as text."""
    ours = {field.name: (field, value) for field, value in expected.ListFields()}
    theirs = {field.name: (field, value) for field, value in actual.ListFields()}
    fields = {field.name: field for field, _ in [*ours.values(), *theirs.values()]}
    for name, field in sorted(fields.items(), key=lambda item: item[1].number):
        left = ours[name][1] if name in ours else None
        right = theirs[name][1] if name in theirs else None
        yield from _differing_values(field, left, right, f"{path}.{name}")


def _differing_values(
    field: FieldDescriptor, left: Any, right: Any, path: str
) -> Iterator[tuple[str, str, str]]:
    some = right if left is None else left
    if isinstance(some, Mapping):
        left, right = left or {}, right or {}
        for key in sorted({*left, *right}):
            yield from _differing_values(field, left.get(key), right.get(key), f"{path}[{key!r}]")
    elif is_list(some):
        left, right = left or (), right or ()
        for index in range(max(len(left), len(right))):
            pair = (
                left[index] if index < len(left) else None,
                right[index] if index < len(right) else None,
            )
            yield from _differing_values(field, *pair, f"{path}[{index}]")
    elif left is None or right is None or not isinstance(some, Message):
        if left != right:
            yield path, _text(left, field), _text(right, field)
    elif isinstance(some, _WHOLE):
        if left != right:
            inside = _inside_json(left, right) if isinstance(some, Payload) else None
            if inside is None:
                yield path, *_distinct_texts(left, right)
            else:
                where, ours, theirs = inside
                yield f"{path}{where}", _json_text(ours), _json_text(theirs)
    else:
        yield from _differing(left, right, path)


def _inside_json(left: Payload, right: Payload) -> tuple[str, Any, Any] | None:
    """Where two JSON values first differ, if they are objects or lists both, and the values there."""
    if left.metadata != right.metadata or is_rendered(left):
        return None
    try:
        values = json.loads(left.data), json.loads(right.data)
    except ValueError:
        return None
    found = _first_inside(*values, "")
    return found if found is not None and found[0] else None


def _first_inside(left: Any, right: Any, path: str) -> tuple[str, Any, Any] | None:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in [*left, *(key for key in right if key not in left)]:
            pair = left.get(key, _MISSING), right.get(key, _MISSING)
            found = _first_inside(*pair, f"{path}.{key}")
            if found is not None:
                return found
        return None
    if isinstance(left, list) and isinstance(right, list):
        for index in range(max(len(left), len(right))):
            pair = (
                left[index] if index < len(left) else _MISSING,
                right[index] if index < len(right) else _MISSING,
            )
            found = _first_inside(*pair, f"{path}[{index}]")
            if found is not None:
                return found
        return None
    # To JSON, 1 and true are not the same.
    return None if left == right and type(left) is type(right) else (path, left, right)


def _json_text(value: Any) -> str:
    return _ABSENT if value is _MISSING else json.dumps(value, ensure_ascii=False)


def _text(value: Any, field: FieldDescriptor) -> str:
    return _ABSENT if value is None else value_text(value, field)


def _distinct_texts(left: Message, right: Message) -> tuple[str, str]:
    """The two as text; with all they hold if they differ in what the short text leaves out."""
    texts = value_text(left), value_text(right)
    if texts[0] != texts[1]:
        return texts
    return repr(str(left)), repr(str(right))
