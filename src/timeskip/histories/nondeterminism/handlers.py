"""Queries and updates' validators that change a workflow: no replay runs them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from timeskip.histories.nondeterminism.flow import bindings
from timeskip.histories.replaying.commands import Place
from timeskip.histories.replaying.source import class_at, function_at, source_tree

#: Methods that change what they belong to, besides those that put something into it.
_TAKE_OUT = frozenset(
    {
        *("pop", "popleft", "popitem", "remove", "discard", "clear", "sort", "reverse"),
        *("setdefault", "get_nowait", "set", "rotate"),
    }
)

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class UnreplayedChange:
    """A line of a query or a validator that changes an attribute of the workflow."""

    handler: str
    attribute: str
    place: Place


def unreplayed_changes(ran: Iterable[Place]) -> Iterator[UnreplayedChange]:
    """Those of the classes of which some lines ran."""
    classes = dict.fromkeys((place.path, class_at(place.path, place.line)) for place in ran)
    for path, name in classes:
        tree = source_tree(path)
        for node in tree.body if tree is not None else ():
            if isinstance(node, ast.ClassDef) and node.name == name:
                for function in node.body:
                    if _is_not_replayed(function):
                        yield from _changes(path, function, node)


def _is_not_replayed(node: ast.stmt) -> bool:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    decorators = (each.func if isinstance(each, ast.Call) else each for each in node.decorator_list)
    return any(
        (each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", ""))
        in ("query", "validator")
        for each in decorators
    )


def _changes(path: str, handler: ast.stmt, owner: ast.ClassDef) -> Iterator[UnreplayedChange]:
    """The changes in a method, and in those of the same class that it calls."""
    methods = {each.name: each for each in owner.body if isinstance(each, _FUNCTIONS)}
    called: dict[ast.stmt, None] = {handler: None}
    functions: list[ast.stmt] = [handler]
    while functions:
        for node in ast.walk(functions.pop()):
            for target in _changed(node):
                name = _attribute_of_self(target)
                if name is not None:
                    function = function_at(path, target.lineno)
                    yield UnreplayedChange(function, name, Place(path, target.lineno, function))
            if isinstance(node, ast.Call):
                method = methods.get(_attribute_of_self(node.func) or "")
                if method is not None and method not in called:
                    called[method] = None
                    functions.append(method)


def _changed(node: ast.AST) -> Iterator[ast.expr]:
    """What a statement or a call changes."""
    for targets, _ in bindings(node):
        yield from targets
    if isinstance(node, ast.Delete):
        yield from node.targets
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _TAKE_OUT
    ):
        yield node.func.value


def _attribute_of_self(node: ast.expr) -> str | None:
    """The attribute of the workflow's that an expression is, or is an item of."""
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "self" else None
    return None
