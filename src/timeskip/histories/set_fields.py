"""The fields that are set in a message, at any depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_SCALARS = (str, int, float, bytes)


def set_fields(message: Message) -> Iterator[tuple[Message, FieldDescriptor, Any]]:
    """Each set field, its owner and its value: the outer before the inner, by field number.

    The values of maps are visited in the order of their keys. The owner may be changed while its
    field is being visited.
    """
    for field, value in message.ListFields():
        yield message, field, value
        if field.message_type is None:
            continue
        for inner in messages_of(value):
            yield from set_fields(inner)


def messages_of(value: Any) -> Sequence[Message]:
    """The messages that a field's value is or contains."""
    if isinstance(value, _SCALARS):
        return ()
    if isinstance(value, Message):
        return (value,)
    if isinstance(value, Mapping):
        return [value[key] for key in sorted(value) if isinstance(value[key], Message)]
    return [item for item in value if isinstance(item, Message)]


def is_list(value: Any) -> bool:
    """Whether this is the value of a repeated field that is not a map."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
