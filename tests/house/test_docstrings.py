"""Every module, every class, and everything that users can import says what it is.

The methods of a class that stays inside the package need no docstring where their name says it all.
"""

from __future__ import annotations

import ast
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


def documented_elsewhere(function: Function) -> bool:
    """Overloads, setters and overrides are documented on the definition that they belong to."""
    marks = {ast.unparse(mark).rpartition(".")[2] for mark in function.decorator_list}
    return bool(marks & {"overload", "override", "setter", "deleter"})


def public_functions(body: list[ast.stmt]) -> Iterator[Function]:
    for node in body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node


def undocumented(source: SourceFile, exported: frozenset[str]) -> Iterator[Finding]:
    """Modules, classes, and exported functions and methods of the two packages, undocumented."""
    if not (source.is_in("timeskip") or source.is_in("pytest_timeskip")):
        return
    needing: list[tuple[ast.Module | ast.ClassDef | Function, str]]
    needing = [(source.tree, source.module)]
    for function in public_functions(source.tree.body):
        if f"{source.module}.{function.name}" in exported:
            needing.append((function, function.name))
    for node in source.tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            needing.append((node, node.name))
            if f"{source.module}.{node.name}" in exported:
                for method in public_functions(node.body):
                    needing.append((method, f"{node.name}.{method.name}"))
    for definition, name in needing:
        if isinstance(definition, Function) and documented_elsewhere(definition):
            continue
        if ast.get_docstring(definition) is None:
            yield source.finding(definition, f"{name} has no docstring")


def findings(*sources: SourceFile, exported: frozenset[str]) -> list[str]:
    return broken_by(lambda source: undocumented(source, exported), *sources)


@pytest.mark.parametrize(
    "text",
    [
        "pass",
        '"""Runs."""\nclass Timer: ...',
        '"""Runs."""\ndef start(): ...',
        '"""Runs."""\nasync def start(): ...',
        '"""Runs."""\nclass Run:\n    """One run."""\n    def close(self): ...',
        '"""Runs."""\nclass Run:\n    """One run."""\n    @property\n    def state(self): ...',
    ],
)
def test_missing_docstring_is_caught(text: str) -> None:
    exported = frozenset({"timeskip.runs.Run", "timeskip.runs.start"})
    assert len(findings(sample("src/timeskip/runs.py", text), exported=exported)) == 1


@pytest.mark.parametrize(
    "text",
    [
        '"""Runs."""\ndef _start(): ...',
        '"""Runs."""\ndef not_exported(): ...',
        '"""Runs."""\nclass _Run:\n    def close(self): ...',
        '"""Runs."""\nclass Timer:\n    """Not exported."""\n    def cancel(self): ...',
        '"""Runs."""\nclass Run:\n    """One run."""\n    def __init__(self): ...',
        '"""Runs."""\nclass Run:\n    """One run."""\n    @override\n    def close(self): ...',
        '"""Runs."""\n@typing.overload\ndef start(): ...',
    ],
)
def test_inner_or_inherited_name_needs_no_docstring(text: str) -> None:
    exported = frozenset({"timeskip.runs.Run", "timeskip.runs.start"})
    assert findings(sample("src/timeskip/runs.py", text), exported=exported) == []


def test_every_public_name_has_a_docstring() -> None:
    exported = public_definitions()
    require_none(findings(*python_files("timeskip", "pytest_timeskip"), exported=exported))
