"""Every module, every class, and everything that users can import says what it is.

The methods of a class that stays inside the package need no docstring where their name says it all.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator

import pytest

from tests.house.public_names import public_definitions
from tests.house.source_files import (
    Finding,
    SourceFile,
    broken_by,
    python_files,
    require_none,
    sample,
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def lacks_docstring(function: Function) -> bool:
    """Overloads and setters need none: it is on the definition that they belong to."""
    marks = {ast.unparse(mark).rpartition(".")[2] for mark in function.decorator_list}
    belongs_to_another = marks & {"overload", "setter", "deleter"}
    return not belongs_to_another and ast.get_docstring(function) is None


def public_functions(body: list[ast.stmt]) -> Iterator[Function]:
    for node in body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node


def inherits_docstring(source: SourceFile, class_name: str, method: str) -> bool:
    """Whether a base of the class documents the method, so that `help()` shows that text."""
    module = importlib.import_module(source.module)
    _, *bases = inspect.getmro(getattr(module, class_name))
    return any(inspect.getdoc(vars(base)[method]) for base in bases if method in vars(base))


def undocumented(source: SourceFile, exported: frozenset[str]) -> Iterator[Finding]:
    """Modules, classes, and exported functions and methods of the two packages, undocumented."""
    if not (source.is_in("timeskip") or source.is_in("pytest_timeskip")):
        return
    if ast.get_docstring(source.tree) is None:
        yield source.finding(source.tree, f"{source.module} has no docstring")
    for function in public_functions(source.tree.body):
        is_exported = f"{source.module}.{function.name}" in exported
        if is_exported and lacks_docstring(function):
            yield source.finding(function, f"{function.name} has no docstring")
    for node in source.tree.body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None:
            yield source.finding(node, f"{node.name} has no docstring")
        if f"{source.module}.{node.name}" not in exported:
            continue
        for method in public_functions(node.body):
            if lacks_docstring(method) and not inherits_docstring(source, node.name, method.name):
                yield source.finding(method, f"{node.name}.{method.name} has no docstring")


def findings(*sources: SourceFile, exported: frozenset[str]) -> list[str]:
    return broken_by(lambda source: undocumented(source, exported), *sources)


# These samples stand in for a real module, because what a class inherits is known only at run time.
ERRORS = "src/timeskip/server/errors.py"
EXPORTED = frozenset({"timeskip.server.errors.ServiceError", "timeskip.server.errors.refuse"})


@pytest.mark.parametrize(
    "text",
    [
        "pass",
        '"""Errors."""\nclass StatusCode: ...',
        '"""Errors."""\ndef refuse(): ...',
        '"""Errors."""\nasync def refuse(): ...',
        '"""Errors."""\nclass ServiceError:\n    """Refused."""\n    def close(self): ...',
        '"""Errors."""\nclass ServiceError:\n    """It."""\n    @property\n    def a(self): ...',
    ],
)
def test_missing_docstring_is_caught(text: str) -> None:
    assert len(findings(sample(ERRORS, text), exported=EXPORTED)) == 1


@pytest.mark.parametrize(
    "text",
    [
        '"""Errors."""\ndef _refuse(): ...',
        '"""Errors."""\ndef not_exported(): ...',
        '"""Errors."""\nclass _ServiceError:\n    def close(self): ...',
        '"""Errors."""\nclass StatusCode:\n    """Not exported."""\n    def close(self): ...',
        '"""Errors."""\nclass ServiceError:\n    """Refused."""\n    def __init__(self): ...',
        '"""Errors."""\nclass ServiceError:\n    """Refused."""\n    def with_traceback(self): ...',
        '"""Errors."""\n@typing.overload\ndef refuse(): ...',
    ],
)
def test_inner_or_inherited_name_needs_no_docstring(text: str) -> None:
    assert findings(sample(ERRORS, text), exported=EXPORTED) == []


def test_every_public_name_has_a_docstring() -> None:
    exported = public_definitions()
    require_none(findings(*python_files("timeskip", "pytest_timeskip"), exported=exported))
