"""What is made once in each process: when a module is imported, or a function is called that remembers.

In another process it may be something else, and no replay in this one shows it.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType

from timeskip.histories.nondeterminism.advice import kind_of_name
from timeskip.histories.nondeterminism.calls import Kind
from timeskip.histories.nondeterminism.state import StateName
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

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

#: Functions that call functions that call ...
_DEEPEST = 3


@dataclass(frozen=True)
class MadeOnce:
    """What makes it, and the line that says so."""

    kind: Kind
    name: str
    place: Place


def made_at_import(name: StateName) -> MadeOnce | None:
    """What makes a variable of a module or a class; None if it is the same in every process.

    As far as is seen.
    """
    path = _path_of(name.module)
    tree = source_tree(path) if path is not None else None
    if path is None or tree is None:
        return None
    body = tree.body
    if name.owner.startswith("class "):
        found = _classes(path).get(name.owner.removeprefix("class "))
        body = found.body if found is not None else []
    for statement in body:
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                source = _resolved(statement, name.module)
                if (alias.asname or alias.name) == name.name and source != name.module:
                    return made_at_import(StateName(f"module {source}", alias.name, source))
        elif name.name in _assigned(statement):
            return next(_makers(path, statement, _DEEPEST), None)
    return None


def made_by_function(name: StateName) -> MadeOnce | None:
    """The same of what a function returns that is called once."""
    path = _path_of(name.module)
    definition = _functions(path).get(name.name) if path is not None else None
    if path is None or definition is None:
        return None
    return next(_makers_in(path, definition.body, _DEEPEST), None)


def made_with_functions(codes: Iterable[CodeType]) -> Iterator[tuple[str, MadeOnce]]:
    """The parameters of some functions whose defaults are such, each with what makes it."""
    for code in codes:
        tree = source_tree(code.co_filename)
        for node in ast.walk(tree) if tree is not None else ():
            if not isinstance(node, _FUNCTIONS) or node.name != code.co_name:
                continue
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first == code.co_firstlineno:
                optional = (node.args.posonlyargs + node.args.args)[-len(node.args.defaults) :]
                pairs = [
                    *zip(optional, node.args.defaults, strict=False),
                    *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True),
                ]
                for argument, default in pairs:
                    if default is not None:
                        for made in _makers(code.co_filename, default, _DEEPEST):
                            yield argument.arg, made


def _assigned(statement: ast.stmt) -> list[str]:
    """The names that a statement gives a value."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    else:
        return []
    return [each.id for each in targets if isinstance(each, ast.Name)]


def _makers_in(path: str, body: Iterable[ast.AST], depth: int) -> Iterator[MadeOnce]:
    for node in body:
        yield from _makers(path, node, depth)


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
            elif isinstance(used, ast.Name) and depth > 0:
                if used.id in _functions(path):
                    yield from _makers_in(path, _functions(path)[used.id].body, depth - 1)
                elif used.id in _classes(path) and isinstance(inner, ast.Call):
                    yield from _makers_in_objects(path, _classes(path)[used.id], depth - 1)


def _makers_in_objects(path: str, owner: ast.ClassDef, depth: int) -> Iterator[MadeOnce]:
    """What makes the attributes of an object, in its `__init__` and in defaults of its fields."""
    for base in owner.bases:
        if ast.unparse(base).endswith("BaseSettings"):  # pydantic's, which reads the environment
            place = Place(path, owner.lineno, owner.name)
            yield MadeOnce(Kind.ENVIRONMENT, ast.unparse(base), place)
    for node in owner.body:
        if isinstance(node, _FUNCTIONS):
            if node.name in ("__init__", "__post_init__"):
                yield from _makers_in(path, node.body, depth)
        else:
            yield from _makers(path, node, depth)
            for inner in ast.walk(node):
                if isinstance(inner, ast.keyword) and inner.arg == "default_factory":
                    factory = inner.value
                    body = factory.body if isinstance(factory, ast.Lambda) else factory
                    yield from _makers(path, body, depth)


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """All within a node that runs with it, and not only when something is called."""
    if not isinstance(node, (ast.Lambda, *_FUNCTIONS)):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _evaluated(child)


@functools.cache
def _functions(path: str) -> Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = source_tree(path)
    body = tree.body if tree is not None else ()
    return {node.name: node for node in body if isinstance(node, _FUNCTIONS)}


@functools.cache
def _classes(path: str) -> Mapping[str, ast.ClassDef]:
    tree = source_tree(path)
    body = tree.body if tree is not None else ()
    return {node.name: node for node in body if isinstance(node, ast.ClassDef)}


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
