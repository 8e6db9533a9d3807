"""Where code puts things into an order that depends on where they lie in memory."""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence

from timeskip.histories.nondeterminism.calls import Kind
from timeskip.histories.replaying.source import source_tree

_KEYS = {"id": Kind.IDENTITY, "hash": Kind.HASH}


def keys_at(path: str, line: int) -> Sequence[Kind]:
    """What decides the order in a `sorted(..., key=id)` and the like, on a line."""
    return _keys(path).get(line, ())


@functools.cache
def _keys(path: str) -> Mapping[int, Sequence[Kind]]:
    found: dict[int, list[Kind]] = defaultdict(list)
    tree = source_tree(path)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.keyword) and node.arg == "key" and isinstance(node.value, ast.Name):
            kind = _KEYS.get(node.value.id)
            if kind is not None:
                found[node.value.lineno].append(kind)
    return found
