"""Where code goes through a set: in an order that is not the same in every process."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, TypeVar

from timeskip.histories.nondeterminism.calls import order_matters
from timeskip.histories.replaying.source import source_tree

#: What these make of a set does not depend on its order.
_ORDERLESS = frozenset(
    {"sorted", "sum", "min", "max", "any", "all", "len", "set", "frozenset", "Counter", "bool"}
)

#: What these give has the order of what they are given.
_KEEP_ORDER = frozenset(
    {
        *("list", "tuple", "enumerate", "iter", "reversed", "zip", "map", "filter"),
        *("deque", "chain", "from_iterable", "islice", "cycle", "combinations", "permutations"),
        *("product", "accumulate", "zip_longest", "starmap", "fromkeys"),
    }
)

#: These show the order of what they are given, too.
_SHOW_ORDER = frozenset({*_KEEP_ORDER, "next", "join", "gather", "extend", "extendleft"})

#: With a `key`, what is equal by it stays in the order that it had.
_BY_KEY = frozenset({"sorted", "min", "max", "nsmallest", "nlargest"})

#: Comes after the set in such a case.
BY_KEY = " by key"

_SET_METHODS = frozenset({"union", "intersection", "difference", "symmetric_difference", "copy"})
_SET_OPERATORS = (ast.Sub, ast.BitAnd, ast.BitOr, ast.BitXor)

_MISSING = object()

#: Of larger sets only a part is looked at.
_MOST_MEMBERS = 100


@functools.cache
def _iterations(path: str) -> Mapping[int, Sequence[ast.expr]]:
    """By line, what is gone through there in a way that shows its order."""
    tree = source_tree(path)
    return _by_line(_ordered_uses(tree, orderless=False) if tree is not None else ())


@functools.cache
def _orders_by_key(path: str) -> Mapping[int, Sequence[ast.Call]]:
    """By line, the calls such as `sorted(..., key=...)`."""
    tree = source_tree(path)
    return _by_line(
        node
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, ast.Call)
        and _name_of(node.func) in _BY_KEY
        and len(node.args) == 1
        and any(keyword.arg == "key" for keyword in node.keywords)
    )


_Expression = TypeVar("_Expression", bound=ast.expr)


def _by_line(expressions: Iterable[_Expression]) -> Mapping[int, Sequence[_Expression]]:
    found: dict[int, list[_Expression]] = defaultdict(list)
    for expression in expressions:
        found[expression.lineno].append(expression)
    return found


def lines_with_sets(path: str) -> list[int]:
    """The lines of a file that may go through a set."""
    return [*_iterations(path), *_orders_by_key(path)]


def is_of_asyncio_wait(path: str, name: str) -> bool:
    """Whether it is what `asyncio.wait` has given, as the code writes it."""
    tree = source_tree(path)
    return any(
        isinstance(node, ast.Assign)
        and any(name == ast.unparse(each) for target in node.targets for each in ast.walk(target))
        and any(
            isinstance(each, ast.Call) and ast.unparse(each.func) in ("asyncio.wait", "wait")
            for each in ast.walk(node.value)
        )
        for node in (ast.walk(tree) if tree is not None else ())
    )


def _ordered_uses(node: ast.AST, *, orderless: bool) -> Iterator[ast.expr]:
    if isinstance(node, (ast.For, ast.AsyncFor)):
        yield node.iter
    elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.DictComp)) and not orderless:
        yield from (generator.iter for generator in node.generators)
    elif isinstance(node, (ast.Starred, ast.YieldFrom)) or (
        isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Tuple, ast.List))
    ):
        yield node.value
    elif isinstance(node, ast.Call) and not orderless:
        name = _name_of(node.func)
        if name in _SHOW_ORDER:
            yield from (argument for argument in node.args if not isinstance(argument, ast.Starred))
    hides = isinstance(node, ast.Call) and _name_of(node.func) in _ORDERLESS
    for child in ast.iter_child_nodes(node):
        yield from _ordered_uses(child, orderless=hides and isinstance(child, ast.expr))


class SetWatch:
    """Looks at lines that are about to run for sets that they go through."""

    def __init__(self) -> None:
        self._functions_that_give_sets: set[str] = set()

    def returned(self, frame: FrameType, value: object) -> None:
        """A function has returned."""
        if isinstance(value, (set, frozenset)) and order_matters(value):
            self._functions_that_give_sets.add(frame.f_code.co_name)

    def sets_at(self, frame: FrameType) -> list[str]:
        """The sets that the line of a frame goes through, as the code writes them.

        With `BY_KEY` those that it puts into an order in which some of them are equal.
        """
        path, line = frame.f_code.co_filename, frame.f_lineno
        gone_through = list(_iterations(path).get(line, ()))
        by_key = _orders_by_key(path).get(line, ())
        left_equal = [call.args[0] for call in by_key if _leaves_some_equal(call, frame)]
        return [
            *(ast.unparse(each) for each in gone_through if self._is_set(each, frame)),
            *(f"{ast.unparse(each)}{BY_KEY}" for each in left_equal if self._is_set(each, frame)),
        ]

    def _is_set(self, node: ast.expr, frame: FrameType) -> bool:
        if isinstance(node, ast.Set):
            return not all(
                isinstance(item, ast.Constant) and isinstance(item.value, (int, float))
                for item in node.elts
            )
        if isinstance(node, ast.SetComp):
            return True
        if isinstance(node, ast.IfExp):
            return self._is_set(node.body, frame) or self._is_set(node.orelse, frame)
        if isinstance(node, ast.BinOp) and isinstance(node.op, _SET_OPERATORS):
            return any(
                self._is_set(side, frame) or _is_view(side) for side in (node.left, node.right)
            )
        if isinstance(node, ast.Call):
            return self._gives_set(node, frame)
        value = value_of(node, frame)
        return isinstance(value, (set, frozenset)) and order_matters(value)

    def _gives_set(self, call: ast.Call, frame: FrameType) -> bool:
        name = _name_of(call.func)
        if name in ("set", "frozenset"):
            return True
        if name in _KEEP_ORDER:
            return any(self._is_set(argument, frame) for argument in call.args)
        if isinstance(call.func, ast.Attribute) and name in _SET_METHODS:
            return self._is_set(call.func.value, frame)
        return name in self._functions_that_give_sets


def _leaves_some_equal(call: ast.Call, frame: FrameType) -> bool:
    """Whether a `key` does not tell all of a set apart: what comes first depends on its order.

    This runs the `key`, as the line of the frame is about to do.
    """
    values = _members(call.args[0], frame)
    [key] = (keyword.value for keyword in call.keywords if keyword.arg == "key")
    code = compile(ast.Expression(key), "<key>", "eval")
    try:
        function = eval(code, frame.f_globals, dict(frame.f_locals))
        keys = [function(value) for value in values]
        if _name_of(call.func) in ("min", "max"):
            return keys.count(min(keys) if _name_of(call.func) == "min" else max(keys)) > 1
        return any(one == other for one, other in itertools.combinations(keys, 2))
    except Exception:  # noqa: BLE001 - the user's own function: the line itself will show what it raises
        return False


def _members(node: ast.expr, frame: FrameType) -> list[Any]:
    """Some of what is in a set, if it is had without running code."""
    if isinstance(node, ast.Call) and _name_of(node.func) in ("set", "frozenset") and node.args:
        return _members(node.args[0], frame)
    value = value_of(node, frame)
    is_plain = type(value) in (set, frozenset, list, tuple)
    members = list(itertools.islice(value, _MOST_MEMBERS)) if is_plain else []
    return [one for place, one in enumerate(members) if one not in members[:place]]


def _is_view(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _name_of(node.func) in ("keys", "items")


def _name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def value_of(node: ast.expr, frame: FrameType) -> Any:
    """What a name or an attribute stands for, found without running any code of the user's."""
    if isinstance(node, ast.Name):
        for names in (frame.f_locals, frame.f_globals):
            if node.id in names:
                return names[node.id]
    elif isinstance(node, ast.Attribute):
        owner = value_of(node.value, frame)
        if owner is not _MISSING:
            return inspect.getattr_static(owner, node.attr, _MISSING)
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, (ast.Constant, ast.Name)):
        owner = value_of(node.value, frame)
        key = (
            node.slice.value
            if isinstance(node.slice, ast.Constant)
            else value_of(node.slice, frame)
        )
        if type(owner) in (dict, list, tuple):
            try:
                return owner[key]
            except (LookupError, TypeError):
                return _MISSING
    return _MISSING
