"""The server takes nothing in the order of a set, which differs between processes.

A set is seen where it is written (`{...}`, `set(...)`, a set comprehension), where such a value is
combined with another, and where a variable, parameter or attribute of the same file is annotated as
one or assigned one. A set that a function of another file returns is not seen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house.source_files import (
    Finding,
    SourceFile,
    broken_by,
    python_files,
    require_none,
    sample,
)

SET_TYPES = {"set", "frozenset", "Set", "AbstractSet", "FrozenSet", "MutableSet"}
SET_METHODS = {"union", "intersection", "difference", "symmetric_difference", "copy"}
SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)

# Builtins and methods whose result depends on the order of what they are given.
ORDERED = {"dict", "enumerate", "filter", "iter", "list", "map", "next", "reversed", "tuple", "zip"}
ORDERED_METHODS = {"extend", "fromkeys", "join"}

# Builtins whose result does not.
ORDER_FREE = {"all", "any", "frozenset", "len", "max", "min", "set", "sorted", "sum"}


def set_variables(tree: ast.Module) -> frozenset[str]:
    """Names and attributes, as written (`pending`, `self.pending`), that hold sets in the file."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation and is_set_type(node.annotation):
            names.add(node.arg)
        elif isinstance(node, ast.AnnAssign) and is_set_type(node.annotation):
            names.add(ast.unparse(node.target))
        elif isinstance(node, ast.Assign) and is_set(node.value, frozenset()):
            names.update(ast.unparse(target) for target in node.targets)
        elif isinstance(node, ast.ClassDef):
            # A field that the class body declares is reached through `self` in its methods.
            names.update(
                f"self.{ast.unparse(field.target)}"
                for field in node.body
                if isinstance(field, ast.AnnAssign) and is_set_type(field.annotation)
            )
    return frozenset(names)


def is_set_type(annotation: ast.expr) -> bool:
    if isinstance(annotation, ast.Subscript):
        return is_set_type(annotation.value)
    if isinstance(annotation, ast.Attribute):
        return annotation.attr in SET_TYPES
    return isinstance(annotation, ast.Name) and annotation.id in SET_TYPES


def is_set(node: ast.expr, variables: frozenset[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.BinOp(op=operator) if isinstance(operator, SET_OPERATORS):
            return is_set(node.left, variables) or is_set(node.right, variables)
        case ast.Call(func=ast.Name(id=function)):
            return function in {"set", "frozenset"}
        case ast.Call(func=ast.Attribute(value=owner, attr=method)):
            return method in SET_METHODS and is_set(owner, variables)
        case ast.Name() | ast.Attribute():
            return ast.unparse(node) in variables
        case _:
            return False


def taken_in_order(node: ast.AST) -> list[ast.expr]:
    """The expressions whose order `node` makes visible."""
    match node:
        case ast.For(iter=taken) | ast.comprehension(iter=taken):
            return [taken]
        case ast.Starred(value=taken) | ast.YieldFrom(value=taken):
            return [taken]
        case ast.Assign(targets=[ast.Tuple() | ast.List()], value=taken):
            return [taken]
        case ast.Call(func=ast.Name(id=function)) if function in ORDERED:
            return node.args
        case ast.Call(func=ast.Attribute(attr=method)) if method in ORDERED_METHODS:
            return node.args
        case ast.Call(func=ast.Attribute(value=owner, attr="pop"), args=[]):
            return [owner]
        case _:
            return []


def order_free_loops(tree: ast.Module) -> Iterator[ast.comprehension]:
    """The loops of comprehensions that `sorted`, `max`, a set and the like take in any order."""
    for node in ast.walk(tree):
        match node:
            case ast.SetComp(generators=loops):
                yield from loops
            case ast.Call(
                func=ast.Name(id=function),
                args=[ast.GeneratorExp(generators=loops) | ast.ListComp(generators=loops), *_],
            ) if function in ORDER_FREE:
                yield from loops


def set_order(source: SourceFile) -> Iterator[Finding]:
    """Places where a set's order can reach an answer or a history."""
    if not source.is_in("timeskip.server"):
        return
    variables = set_variables(source.tree)
    order_free = list(order_free_loops(source.tree))
    for node in ast.walk(source.tree):
        if node in order_free:
            continue
        for taken in taken_in_order(node):
            if is_set(taken, variables):
                yield source.finding(taken, f"sort this set first: {ast.unparse(taken)}")


@pytest.mark.parametrize(
    "text",
    [
        "for queue in {'a', 'b'}: ...",
        "for queue in set(queues): ...",
        "for queue in frozenset(queues) - closed: ...",
        "names = [queue for queue in {q.name for q in queues}]",
        "names = list(set(queues))",
        "first = next(iter({1, 2}))",
        "text = ', '.join({'a', 'b'})",
        "first, second = {'a', 'b'}",
        "call(*set(queues))",
        "pending = set()\nfor task in pending: ...",
        "pending = set()\npending.pop()",
        "self.pending: set[int] = load()\nfor task in self.pending: ...",
        "def close(pending: set[str]) -> None:\n    for task in pending: ...",
        "class Run:\n    pending: set[str]\n    def close(self):\n        return [*self.pending]",
        "def names(pending: frozenset[str]):\n    yield from pending",
        "def names(left: set[str], right: set[str]):\n    return tuple(left.union(right))",
    ],
)
def test_order_of_a_set_is_caught(text: str) -> None:
    assert len(broken_by(set_order, sample("src/timeskip/server/run.py", text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "for queue in sorted({'a', 'b'}): ...",
        "known = 'a' in {'a', 'b'}",
        "count = len(set(queues))",
        "latest = max(task.due for task in {first, second})",
        "closed = {task.name for task in set(tasks)}",
        "pending = {}\nfor task in pending: ...",
        "pending = {'a': 1}\npending.pop('a')",
        "tasks = []\ntasks.pop()",
        "def names(flags: int):\n    return list(range(flags | 1))",
    ],
)
def test_order_free_use_of_a_set_is_allowed(text: str) -> None:
    assert broken_by(set_order, sample("src/timeskip/server/run.py", text)) == []


def test_server_takes_nothing_in_the_order_of_a_set() -> None:
    server = python_files("timeskip.server")
    assert len(server) > 1
    require_none(broken_by(set_order, *server))
