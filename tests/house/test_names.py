"""Names say what a thing is. Some words say nothing: no file and no definition has them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.source_files import (
    Finding,
    SourceFile,
    broken_by,
    repository_files,
    require_none,
    sample,
)

EMPTY_WORDS = {
    word + ending
    for word in ("util", "helper", "misc", "manager", "common")
    for ending in ("", "s")
} | {"utility", "utilities", "miscellaneous"}

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def empty_word_of(name: str) -> str | None:
    """The first word of `some_name`, `SomeName` or `some-name.py` that says nothing."""
    return next((w.lower() for w in _WORD.findall(name) if w.lower() in EMPTY_WORDS), None)


def definitions(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Classes, functions, and what modules and classes assign."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, node.name
        if isinstance(node, ast.Module | ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.Assign):
                    targets: list[ast.expr] = statement.targets
                elif isinstance(statement, ast.AnnAssign):
                    targets = [statement.target]
                else:
                    continue
                for target in targets:
                    if isinstance(target, ast.Name):
                        yield statement, target.id


def empty_names(source: SourceFile) -> Iterator[Finding]:
    """Folders, files and definitions with a word that says nothing."""
    for part in source.path.parts:
        if word := empty_word_of(part):
            yield source.finding(1, f"{part!r}: {word!r} does not say what it is")
    if source.is_python:
        for node, name in definitions(source.tree):
            if word := empty_word_of(name):
                yield source.finding(node, f"{name!r}: {word!r} does not say what it is")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/timeskip/utils.py", ""),
        ("src/timeskip/common/runs.py", ""),
        ("tests/history_helpers.py", ""),
        ("docs/misc.md", ""),
        ("src/timeskip/runs.py", "class RunManager: ..."),
        ("src/timeskip/runs.py", "class HTTPHelper: ..."),
        ("src/timeskip/runs.py", "def decode_util(): ..."),
        ("src/timeskip/runs.py", "async def helper(): ..."),
        ("src/timeskip/runs.py", "COMMON_FIELDS = ()"),
        ("src/timeskip/runs.py", "class Run:\n    manager: object"),
    ],
)
def test_empty_name_is_caught(path: str, text: str) -> None:
    assert len(broken_by(empty_names, sample(path, text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "from temporalio.api.common.v1 import Payload",
        "from contextlib import contextmanager\n@contextmanager\ndef freeze(): ...",
        "class Commonwealth: ...",
        "def utilisation(): ...",
    ],
)
def test_telling_name_is_allowed(text: str) -> None:
    assert broken_by(empty_names, sample("src/timeskip/runs.py", text)) == []


def test_no_name_is_empty() -> None:
    require_none(broken_by(empty_names, *repository_files()))
