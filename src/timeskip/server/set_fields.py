"""Fields of messages that carry over from one message into another."""

from __future__ import annotations

from google.protobuf.message import Message


def copy_set(source: Message, target: Message, *fields: str) -> None:
    """Copy these message fields, of the same names in both, if they are set in `source`."""
    for field in fields:
        if source.HasField(field):
            getattr(target, field).CopyFrom(getattr(source, field))


def replace_field(source: Message, target: Message, field: str) -> None:
    """Make this message field, of the same name in both, what it is in `source`: also not set."""
    target.ClearField(field)
    copy_set(source, target, field)
