"""The fields that are set in a message, at any depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message


def set_fields(message: Message) -> Iterator[tuple[Message, FieldDescriptor, Any]]:
    """Each set field, its owner and its value: the outer before the inner, by field number.

    The values of maps are visited in the order of their keys. The owner may be changed while its
    field is being visited.
    """
    for field, value in message.ListFields():
        yield message, field, value
        for inner in messages_of(value):
            yield from set_fields(inner)


def messages_of(value: Any) -> Iterator[Message]:
    """The messages that a field's value is or contains."""
    if isinstance(value, Message):
        yield value
    elif isinstance(value, Mapping):
        for key in sorted(value):
            if isinstance(value[key], Message):
                yield value[key]
    elif is_list(value):
        for item in value:
            if isinstance(item, Message):
                yield item


def is_list(value: Any) -> bool:
    """Whether this is the value of a repeated field that is not a map."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
