"""No option of a request is ignored in silence: it is proven, refused, or told why it does nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor
from temporalio.api.command.v1 import Command

import timeskip.server.service
from docs.api_catalogue import COMMAND_ATTRIBUTES, METHODS, catalogue, full_name, parts_of
from docs.generate_support import proofs
from docs.unproven_options import PARTS, REASONS
from timeskip.server.rpcs import HANDLERS

SERVER = Path(timeskip.server.service.__file__).parent

REQUESTS = [method.input_type for method in METHODS if full_name(method) in HANDLERS]
WHOLE = [*REQUESTS, *COMMAND_ATTRIBUTES.values()]


def unproven() -> set[str]:
    """The options that no scenario proves."""
    listed = catalogue(proofs(), HANDLERS)
    return {
        entry.claim.removeprefix("option:")
        for message in WHOLE
        for entry in listed.options.get(message.name, ())
        if not entry.proofs
    }


@cache
def words_of_the_server() -> frozenset[str]:
    """Every name by which the server's code could read a field."""
    return frozenset(
        word
        for file in SERVER.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for word in words_of(node)
    )


def words_of(node: ast.AST) -> Iterator[str]:
    """The names of fields in a piece of code, be it an attribute, an argument or a text."""
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.keyword) and node.arg is not None:
        yield node.arg
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from node.value.replace(".", " ").split()


def name_of(message: Descriptor) -> str:
    """The name without its package, but with the messages that it is defined in."""
    return message.full_name.removeprefix(f"{message.file.package}.")


def unread() -> set[str]:
    """The fields, at any depth of a request, that the server never names."""
    return {
        f"{name_of(message)}.{field.name}"
        for message in parts_of([*REQUESTS, Command.DESCRIPTOR])
        if message not in WHOLE
        for field in message.fields
        if field.name not in words_of_the_server() and field.message_type not in WHOLE
    }


def told(field: str) -> str | None:
    """The entry of the table that tells why the server does not read a field."""
    message = field.rpartition(".")[0]
    return next((entry for entry in (field, f"{message}.*") if entry in PARTS), None)


def test_option_that_is_not_proven_has_a_reason() -> None:
    assert sorted(unproven() - REASONS.keys()) == []


def test_option_with_a_reason_is_not_proven() -> None:
    assert sorted(REASONS.keys() - unproven()) == []


def test_part_of_an_option_is_read_or_has_a_reason() -> None:
    assert sorted(field for field in unread() if told(field) is None) == []


def test_reason_for_parts_of_options_is_needed() -> None:
    assert sorted(PARTS.keys() - {told(field) for field in unread()}) == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("request.namespace", {"namespace"}),
        ("copy_set(a, b, 'input')", {"input"}),
        ("Poll(identity=1)", {"identity"}),
        ("getattr(a, 'task_queue.name')", {"task_queue", "name"}),
        ("namespace = 1", set()),
    ],
)
def test_words_of_code(code: str, expected: set[str]) -> None:
    assert {word for node in ast.walk(ast.parse(code)) for word in words_of(node)} == expected
