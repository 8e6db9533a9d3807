"""Histories as Hypothesis makes them up: any field of any message may be set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st
from temporalio.api.history.v1 import History

#: Made up at random, so that only their first appearances matter.
IDS = ("6f9c2b9e-0d6e-4a54-8a0c-2f2b7b3a9d10", "x/0e7f9f0a3b524a7e9a555a4f6f1c8d21", "<id 2>")

_DEPTH = 3
_FIELDS_SET = 4

_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_BOOL: st.just(True),
    FieldDescriptor.TYPE_BYTES: st.binary(min_size=1, max_size=4),
    FieldDescriptor.TYPE_DOUBLE: st.floats(0.5, 100),
    FieldDescriptor.TYPE_FLOAT: st.sampled_from([0.5, 1.5, 2.0]),
    FieldDescriptor.TYPE_INT32: st.integers(1, 1000),
    FieldDescriptor.TYPE_INT64: st.integers(1, 1000),
    FieldDescriptor.TYPE_STRING: st.sampled_from(["", "a", "b", "Ada", "run-2", "é", *IDS]),
    FieldDescriptor.TYPE_UINT32: st.integers(1, 1000),
}


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Up to four events, each with whatever attributes."""
    history = History()
    for event_id in range(draw(st.integers(0, 4))):
        event = history.events.add()
        _fill(draw, event, _DEPTH)
        event.event_id = event_id + 1
    return history


def _fill(draw: st.DrawFn, message: Message, depth: int) -> None:
    fields: list[Any] = [*message.DESCRIPTOR.fields]
    if not fields:
        return
    for field in draw(st.lists(st.sampled_from(fields), max_size=_FIELDS_SET)):
        if field.message_type is None:
            values = _scalar(field)
            if field.is_repeated:
                getattr(message, field.name).extend(draw(st.lists(values, max_size=2)))
            else:
                setattr(message, field.name, draw(values))
        elif depth > 0:
            _fill_messages(draw, message, field, field.message_type, depth)


def _fill_messages(
    draw: st.DrawFn, message: Message, field: FieldDescriptor, kind: Descriptor, depth: int
) -> None:
    value = getattr(message, field.name)
    if kind.GetOptions().map_entry:
        inner = kind.fields_by_name["value"]
        key = draw(st.sampled_from(["left", "right"]))
        if inner.message_type is None:
            value[key] = draw(_scalar(inner))
        else:
            _fill(draw, value[key], depth - 1)
    elif field.is_repeated:
        _fill(draw, value.add(), depth - 1)
    else:
        value.SetInParent()
        _fill(draw, value, depth - 1)


def _scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return _SCALARS[field.type]


class Attribute(NamedTuple):
    """A set scalar of a message, and the fields that lead to it, the outermost first."""

    owner: Message
    field: FieldDescriptor
    path: tuple[FieldDescriptor, ...]


def attributes(message: Message, path: tuple[FieldDescriptor, ...] = ()) -> Iterator[Attribute]:
    """Every set scalar field at any depth, lists and maps of scalars left aside."""
    for field, value in message.ListFields():
        inner = (*path, field)
        if isinstance(value, Message):
            yield from attributes(value, inner)
        elif isinstance(value, Mapping):
            # A map has no order of its own.
            for _, item in sorted(value.items()):
                if isinstance(item, Message):
                    yield from attributes(item, inner)
        elif field.is_repeated:
            for item in value:
                if isinstance(item, Message):
                    yield from attributes(item, inner)
        else:
            yield Attribute(message, field, inner)


def change(attribute: Attribute) -> None:
    """Give the attribute another value, its default for the simplest."""
    owner, field, _ = attribute
    setattr(owner, field.name, getattr(type(owner)(), field.name))


def change_a_little(attribute: Attribute) -> None:
    """Give the attribute a value that it has not, and which is not its default either."""
    owner, field, _ = attribute
    value = getattr(owner, field.name)
    if field.enum_type is not None:
        numbers = [each.number for each in field.enum_type.values if each.number]
        value = next(number for number in [*numbers, value + 1] if number != value)
    elif isinstance(value, bool):
        value = not value
    elif isinstance(value, (int, float)):
        value += 1
    elif isinstance(value, bytes):
        value = json.dumps({"changed": value.hex()}).encode()
    else:
        value = f"{value} changed"
    setattr(owner, field.name, value)
