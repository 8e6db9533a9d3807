"""Queries and updates' validators that change a workflow: no replay runs them."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from timeskip.histories.nondeterminism.flow import bindings
from timeskip.histories.replaying.commands import Place
from timeskip.histories.replaying.source import class_at, function_at, source_tree

#: Methods of Python's own that change what they belong to.
_CHANGE = frozenset(
    {
        *("append", "add", "extend", "insert", "update", "put_nowait", "appendleft", "subtract"),
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
    places = list(ran)
    methods = frozenset[str]().union(*(_changing_methods(place.path) for place in places))
    for path, owner, handler in _unreplayed(places):
        yield from _changes(path, handler, owner, methods)


def unreplayed_handlers(ran: Iterable[Place]) -> list[str]:
    """The queries and validators of these classes, such as `Order.status`."""
    return [function_at(path, handler.lineno) for path, _, handler in _unreplayed(ran)]


def _unreplayed(ran: Iterable[Place]) -> Iterator[tuple[str, ast.ClassDef, ast.stmt]]:
    classes = dict.fromkeys((place.path, class_at(place.path, place.line)) for place in ran)
    for path, name in classes:
        tree = source_tree(path)
        for node in tree.body if tree is not None else ():
            if isinstance(node, ast.ClassDef) and node.name == name:
                for function in node.body:
                    if _is_not_replayed(function):
                        yield path, node, function


def _is_not_replayed(node: ast.stmt) -> bool:
    if not isinstance(node, _FUNCTIONS):
        return False
    decorators = (each.func if isinstance(each, ast.Call) else each for each in node.decorator_list)
    return any(
        (each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", ""))
        in ("query", "validator")
        for each in decorators
    )


def _changes(
    path: str, handler: ast.stmt, owner: ast.ClassDef, changing: frozenset[str]
) -> Iterator[UnreplayedChange]:
    """The changes in a method, and in those of the same class that it calls.

    `changing`: methods by which what belongs to the workflow changes itself.
    """
    methods = {each.name: each for each in owner.body if isinstance(each, _FUNCTIONS)}
    called: dict[ast.stmt, None] = {handler: None}
    functions: list[ast.stmt] = [handler]
    while functions:
        for node in ast.walk(functions.pop()):
            for target in _changed(node, changing):
                name = _attribute_of_self(target)
                if name is not None:
                    function = function_at(path, target.lineno)
                    yield UnreplayedChange(function, name, Place(path, target.lineno, function))
            if isinstance(node, ast.Call) and _is_of_self(node.func):
                method = methods.get(getattr(node.func, "attr", ""))
                if method is not None and method not in called:
                    called[method] = None
                    functions.append(method)


@functools.cache
def _changing_methods(path: str) -> frozenset[str]:
    """The names of methods in a file that change the objects that they belong to."""
    tree = source_tree(path)
    return frozenset(
        function.name
        for owner in (ast.walk(tree) if tree is not None else ())
        if isinstance(owner, ast.ClassDef)
        for function in owner.body
        if isinstance(function, _FUNCTIONS) and function.name != "__init__"
        for node in ast.walk(function)
        for target in _changed(node, frozenset())
        if _attribute_of_self(target) is not None
    )


@functools.cache
def changed_later(path: str) -> frozenset[str]:
    """Variables of modules and of objects that functions in a file change."""
    tree = source_tree(path)
    found = set[str]()
    for function in ast.walk(tree) if tree is not None else ():
        for node in ast.walk(function) if isinstance(function, _FUNCTIONS) else ():
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                found.update(node.names)
            for target in _changed(node, frozenset()):
                # A name alone is the function's own.
                if not isinstance(target, ast.Name) or isinstance(node, ast.Call):
                    found.update(_names_in(target))
    return frozenset(found)


def _names_in(node: ast.expr) -> Iterator[str]:
    """The variables that an expression is of: `a` and `b` of `a.b`, `b` of `b[0]`."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
        yield from _names_in(node.value)
    elif isinstance(node, (ast.Subscript, ast.Starred)):
        yield from _names_in(node.value)
    elif isinstance(node, (ast.Tuple, ast.List)):
        for each in node.elts:
            yield from _names_in(each)


def _changed(node: ast.AST, methods: frozenset[str]) -> Iterator[ast.expr]:
    """What a statement or a call changes. `methods`: those that change what they belong to."""
    if not isinstance(node, ast.Call):
        for targets, _ in bindings(node):
            yield from targets
        if isinstance(node, ast.Delete):
            yield from node.targets
    elif isinstance(node.func, ast.Attribute):
        if node.func.attr in _CHANGE or node.func.attr in methods:
            yield node.func.value
        elif node.func.attr == "shuffle":
            yield from node.args


def _attribute_of_self(node: ast.expr) -> str | None:
    """The attribute of the workflow's that an expression is, or is within."""
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        if _is_of_self(node):
            return getattr(node, "attr", None)
        node = node.value
    return None


def _is_of_self(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )
