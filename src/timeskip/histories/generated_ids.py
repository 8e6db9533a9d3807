"""Ids that were made up at random: UUIDs, wherever in a history they are."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import History

from timeskip.histories.set_fields import messages_of, set_fields

# A name that was given before is given anew, so that what comes first is always the first.
_ID = re.compile(
    r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9a-fA-F])"
    r"|(?<![0-9a-fA-F])[0-9a-f]{32}(?![0-9a-fA-F])"
    r"|<id \d+>"
)
_ID_BYTES = re.compile(_ID.pattern.encode())


def is_text(field: FieldDescriptor) -> bool:
    """Whether the field holds a string, or strings."""
    return field.type == FieldDescriptor.TYPE_STRING


def is_generated(text: str) -> bool:
    """Whether the whole text is such an id."""
    return _ID.fullmatch(text) is not None


def contains_generated(text: str) -> bool:
    """Whether such an id is in the text."""
    return _ID.search(text) is not None


def name_generated_ids(history: History, kept: frozenset[str]) -> None:
    """Number the UUIDs of all attributes, in place, by their first appearance.

    In payloads only those are named that attributes have, too: any other may well be the user's data.
    `kept`: ids that stay as they are. No other is given a name that one of those has already.
    """
    found = {
        each: None
        for _, field, value in set_fields(history)
        if is_text(field) and not isinstance(value, Mapping)
        for text in ([value] if isinstance(value, str) else value)
        for each in _ID.findall(text)
        if each not in kept
    }
    taken = kept | (_ids_in_payloads(history) - found.keys())
    free = (name for name in map("<id {}>".format, itertools.count(1)) if name not in taken)
    names = dict(zip(found, free, strict=False))
    replace_in_texts(history, names)
    replace_in_payloads(history, names)


def replace_in_texts(history: History, names: Mapping[str, str]) -> None:
    """Put names in the place of ids in every attribute that is a string."""
    for owner, field, value in set_fields(history):
        if not is_text(field) or isinstance(value, Mapping):
            continue
        if isinstance(value, str):
            setattr(owner, field.name, _renamed(value, names))
        else:
            for index, text in enumerate(value):
                value[index] = _renamed(text, names)


def _renamed(text: str, names: Mapping[str, str]) -> str:
    return _ID.sub(lambda match: names.get(match[0], match[0]), text)


def replace_in_payloads(history: Message, names: Mapping[str, str]) -> None:
    """Put names in the place of ids in whatever payloads of text."""
    texts = {old.encode(): new.encode() for old, new in names.items()}
    for payload in _texts_of(history):
        payload.data = _ID_BYTES.sub(lambda match: texts.get(match[0], match[0]), payload.data)


def _ids_in_payloads(history: Message) -> set[str]:
    return {
        found.decode()
        for payload in _texts_of(history)
        for found in _ID_BYTES.findall(payload.data)
    }


def _texts_of(history: Message) -> list[Payload]:
    return [
        payload
        for payload in payloads_of(history)
        if payload.metadata.get("encoding", b"").startswith(b"json/")
    ]


def payloads_of(message: Message) -> list[Payload]:
    """Every payload in it, at any depth."""
    return [
        inner
        for _, field, value in set_fields(message)
        if field.message_type is not None
        for inner in messages_of(value)
        if isinstance(inner, Payload)
    ]
