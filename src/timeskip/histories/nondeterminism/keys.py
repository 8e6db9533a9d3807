"""What a line of the source itself shows: an order by memory, and variables of the process."""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence

from timeskip.histories.nondeterminism.calls import Kind
from timeskip.histories.replaying.source import source_tree

_KEYS = {"id": Kind.IDENTITY, "hash": Kind.HASH}


#: Variables of Python's library that are not the same in every process.
VARIABLES_OF_PROCESS = (
    *("sys.argv", "sys.platform", "sys.version_info", "os.name", "time.tzname", "time.timezone"),
)


@functools.cache
def variables_of_process(path: str) -> Mapping[int, Sequence[str]]:
    """By line, the variables of the process that are read there."""
    found: dict[int, list[str]] = defaultdict(list)
    tree = source_tree(path)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Attribute) and (name := ast.unparse(node)) in VARIABLES_OF_PROCESS:
            found[node.lineno].append(name)
    return found


@functools.cache
def keys_at(path: str) -> Mapping[int, Sequence[Kind]]:
    """By line, what decides the order in a `sorted(..., key=id)` and the like."""
    found: dict[int, list[Kind]] = defaultdict(list)
    tree = source_tree(path)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.keyword) and node.arg == "key" and isinstance(node.value, ast.Name):
            kind = _KEYS.get(node.value.id)
            if kind is not None:
                found[node.value.lineno].append(kind)
    return found
