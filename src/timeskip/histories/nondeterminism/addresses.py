"""Where code makes a text or a hash of an object that has none of its own: it says where it lies."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from timeskip.histories.nondeterminism.sets import value_of
from timeskip.histories.replaying.naming import calls_in
from timeskip.histories.replaying.source import source_tree

_TO_TEXT = frozenset({"str", "repr", "ascii", "format"})

#: Of things that hold others, so many are looked at.
_MOST_ITEMS = 5


def addresses_at(frame: FrameType) -> list[str]:
    """What the line of a frame makes of such objects, as in "the text of `order`"."""
    path, line = frame.f_code.co_filename, frame.f_lineno
    texts = [
        f"the text of `{ast.unparse(each)}`"
        for each, is_sorted in _texts(path).get(line, ())
        if _has_address(value_of(each, frame), is_sorted)
    ]
    hashes = [
        f"the hash of `{ast.unparse(each)}`"
        for each in _hashed(path).get(line, ())
        if inspect.getattr_static(type(value_of(each, frame)), "__hash__") == object.__hash__
    ]
    return [*texts, *hashes]


def lines_with_texts(path: str) -> list[int]:
    """The lines of a file that make a text or a hash of something."""
    return [*_texts(path), *_hashed(path)]


@functools.cache
def _hashed(path: str) -> Mapping[int, Sequence[ast.expr]]:
    """By line, what is given to `hash`."""
    found: dict[int, list[ast.expr]] = defaultdict(list)
    for call in calls_in(path):
        if isinstance(call.func, ast.Name) and call.func.id == "hash" and call.args:
            found[call.lineno].append(call.args[0])
    return found


@functools.cache
def _texts(path: str) -> Mapping[int, Sequence[tuple[ast.expr, bool]]]:
    """By line, what is made a text of there; true if it is what holds them."""
    found: dict[int, list[tuple[ast.expr, bool]]] = defaultdict(list)
    tree = source_tree(path)
    for node in ast.walk(tree) if tree is not None else ():
        for made, is_sorted in _made(node):
            found[made.lineno].append((made, is_sorted))
    return found


def _made(node: ast.AST) -> Iterator[tuple[ast.expr, bool]]:
    if isinstance(node, ast.FormattedValue):
        yield node.value, False
    elif isinstance(node, ast.Call):
        by_text = any(
            keyword.arg == "key" and getattr(keyword.value, "id", "") in _TO_TEXT
            for keyword in node.keywords
        )
        if by_text and isinstance(node.func, ast.Attribute):  # things.sort(key=str)
            yield node.func.value, True
        elif by_text and node.args:
            yield node.args[0], True
        elif isinstance(node.func, ast.Name) and node.func.id in _TO_TEXT and node.args:
            yield node.args[0], False


def _has_address(value: Any, is_sorted: bool) -> bool:
    kind = type(value)
    if is_sorted and isinstance(value, dict):
        return any(_has_address(each, False) for each in itertools.islice(value, _MOST_ITEMS))
    if kind in (list, tuple, set, frozenset):
        return any(_has_address(each, False) for each in itertools.islice(value, _MOST_ITEMS))
    texts = [inspect.getattr_static(kind, name) for name in ("__repr__", "__str__")]
    return texts == [object.__repr__, object.__str__] and kind is not object
