"""What is made once in each process: when a module is imported, or a function is called that remembers.

In another process it may be something else, and no replay in this one shows it.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from timeskip.histories.nondeterminism.advice import kind_of_name
from timeskip.histories.nondeterminism.calls import Kind
from timeskip.histories.replaying.commands import Place
from timeskip.histories.replaying.source import function_at, source_tree

#: Functions and variables of Python's library that are not the same in every process.
_DIFFERENT = re.compile(
    r"random\.(?!seed)[a-z]\w*|secrets\.\w+|os\.urandom|uuid\.uuid[1467]"
    r"|time\.(time|monotonic|perf_counter|process_time)(_ns)?|time\.(strftime|localtime|ctime)"
    r"|datetime\.datetime\.(now|utcnow|today)|datetime\.date\.today"
    r"|os\.environ(\.get)?|os\.getenv|platform\.\w+"
    r"|os\.(getpid|getppid|cpu_count|uname)|socket\.gethostname"
    r"|__builtins__\.open|os\.listdir|os\.path\.(exists|isfile|isdir)|glob\.glob"
)

#: Functions that call functions that call ...
_DEEPEST = 3


@dataclass(frozen=True)
class MadeOnce:
    """What makes it, and the line that says so."""

    kind: Kind
    name: str
    place: Place


def made_at_import(module: str, variable: str) -> MadeOnce | None:
    """What makes a module's variable; None if it is the same in every process, as far as is seen."""
    path = _path_of(module)
    tree = source_tree(path) if path is not None else None
    if path is None or tree is None:
        return None
    for statement in tree.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if any(isinstance(each, ast.Name) and each.id == variable for each in targets):
                return next(_makers(path, statement.value, _DEEPEST), None)
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if (alias.asname or alias.name) == variable:
                    source = _resolved(statement, module)
                    return made_at_import(source, alias.name) if source != module else None
    return None


def made_by_function(module: str, function: str) -> MadeOnce | None:
    """The same of what a function returns that is called once."""
    path = _path_of(module)
    tree = source_tree(path) if path is not None else None
    if path is None or tree is None:
        return None
    definition = _functions(path).get(function)
    return next(_makers(path, definition, _DEEPEST), None) if definition is not None else None


def _makers(path: str, node: ast.AST, depth: int) -> Iterator[MadeOnce]:
    for inner in _evaluated(node):
        if not isinstance(inner, (ast.Call, ast.Attribute, ast.Name)):
            continue
        used = inner.func if isinstance(inner, ast.Call) else inner
        name = _full_name(path, used)
        if isinstance(inner, ast.Call) or name == "os.environ":
            kind = kind_of_name(name) if _DIFFERENT.fullmatch(name) else None
            if kind is not None:
                shown = name.removeprefix("__builtins__.")
                place = Place(path, inner.lineno, function_at(path, inner.lineno) or "the module")
                yield MadeOnce(kind, shown, place)
            elif isinstance(used, ast.Name) and used.id in _functions(path) and depth > 0:
                yield from _makers(path, _functions(path)[used.id], depth - 1)


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """All within a node that runs with it, and not only when something is called."""
    if isinstance(node, ast.Lambda):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _evaluated(child)


@functools.cache
def _functions(path: str) -> Mapping[str, ast.stmt]:
    tree = source_tree(path)
    return {
        node.name: node
        for node in (tree.body if tree is not None else ())
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


@functools.cache
def _imported(path: str) -> Mapping[str, str]:
    """The full names of what a file has imported, by the names that it uses."""
    tree = source_tree(path)
    found = {"open": "__builtins__.open"}
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or name] = name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _full_name(path: str, node: ast.expr) -> str:
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return ""
    first, *rest = ast.unparse(node).split(".")
    known = _imported(path).get(first)
    return ".".join([known, *rest]) if known is not None else ""


def _path_of(module: str) -> str | None:
    path = getattr(sys.modules.get(module), "__file__", None)
    return path if isinstance(path, str) else None


def _resolved(statement: ast.ImportFrom, module: str) -> str:
    package = getattr(sys.modules.get(module), "__package__", None)
    name = "." * statement.level + (statement.module or "")
    return importlib.util.resolve_name(name, package) if package or not statement.level else module
