"""Queries and updates' validators that change a workflow: no replay runs them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from timeskip.histories.nondeterminism.flow import bindings
from timeskip.histories.replaying.commands import Place
from timeskip.histories.replaying.source import class_at, function_at, source_tree


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
                        yield from _changes(path, function)


def _is_not_replayed(node: ast.stmt) -> bool:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    decorators = (each.func if isinstance(each, ast.Call) else each for each in node.decorator_list)
    return any(
        isinstance(each, ast.Attribute) and each.attr in ("query", "validator")
        for each in decorators
    )


def _changes(path: str, function: ast.stmt) -> Iterator[UnreplayedChange]:
    for node in ast.walk(function):
        for targets, _ in bindings(node):
            for target in targets:
                owner = target.value if isinstance(target, ast.Subscript) else target
                if (
                    isinstance(owner, ast.Attribute)
                    and isinstance(owner.value, ast.Name)
                    and owner.value.id == "self"
                ):
                    handler = function_at(path, target.lineno)
                    place = Place(path, target.lineno, handler)
                    yield UnreplayedChange(handler, owner.attr, place)
