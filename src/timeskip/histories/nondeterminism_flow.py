"""Whether what one line gets may decide what another line does: by the names in the source."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from timeskip.histories.replay_commands import Place
from timeskip.histories.replay_source import source_tree

#: Rounds in which names make other names doubtful; longer chains are rare.
_MOST_ROUNDS = 10

_Function = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Flow:
    """The names that depend on where it begins, in some files.

    Args:
        paths: The files to look at.
        origin: The line where it begins, if it is one.
        names: Names that it begins with.
    """

    def __init__(
        self, paths: Iterable[str], origin: Place | None, names: Iterable[str] = ()
    ) -> None:
        self._origin = origin
        self.names = set(names)
        self._trees = {path: tree for path in paths if (tree := source_tree(path)) is not None}
        for _ in range(_MOST_ROUNDS):
            before = len(self.names)
            for path, tree in self._trees.items():
                self._spread(path, tree, None)
            if len(self.names) == before:
                break

    def reaches(self, place: Place, conditions: Iterable[Place]) -> bool:
        """Whether it has to do with a line, what that is nested in, or the conditions before it."""
        for each in (place, *conditions):
            tree = self._trees.get(each.path)
            if tree is None:
                continue
            only_conditions = each is not place
            for node in deciding(tree, each.line, only_conditions=only_conditions):
                if self._is_doubtful(each.path, node):
                    return True
        return False

    def _spread(self, path: str, node: ast.AST, function: str | None) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = node.name
        for targets, value in _bindings(node):
            if self._is_doubtful(path, value):
                for target in targets:
                    self.names |= _bound_names(target)
        if isinstance(node, ast.Return) and node.value is not None and function is not None:
            if self._is_doubtful(path, node.value):
                self.names.add(function)
        elif isinstance(node, (ast.If, ast.While, ast.For)) and function is not None:
            decides = node.iter if isinstance(node, ast.For) else node.test
            if self._is_doubtful(path, decides):
                self._spread_into_branches(node, function)
        for child in ast.iter_child_nodes(node):
            self._spread(path, child, function)

    def _spread_into_branches(self, node: ast.If | ast.While | ast.For, function: str) -> None:
        """What is assigned under a doubtful condition is doubtful, and so is an early return."""
        for inner in ast.walk(node):
            for targets, _ in _bindings(inner):
                for target in targets:
                    self.names |= _bound_names(target)
            if isinstance(inner, ast.Return) and inner.value is not None:
                self.names.add(function)

    def _is_doubtful(self, path: str, node: ast.AST) -> bool:
        origin = self._origin
        if (
            origin is not None
            and path == origin.path
            and isinstance(node, ast.expr)
            and node.lineno <= origin.line <= (node.end_lineno or node.lineno)
        ):
            return True
        return any(name in self.names for name in _used_names(node))


def deciding(tree: ast.AST, line: int, *, only_conditions: bool) -> Iterator[ast.AST]:
    """What decides that a line runs, and with what: its expressions, and those around it."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or isinstance(node, (*_Function, ast.ClassDef)):
            continue
        if not node.lineno <= line <= (node.end_lineno or node.lineno):
            continue
        if isinstance(node, (ast.If, ast.While)):
            yield node.test
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            yield node.iter
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            yield from (item.context_expr for item in node.items)
        elif isinstance(node, ast.Match):
            yield node.subject
        elif not isinstance(node, ast.Try) and not only_conditions:
            yield from (each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr))


def _bindings(node: ast.AST) -> Iterator[tuple[list[ast.expr], ast.expr]]:
    """What gets a name, and from what."""
    if isinstance(node, ast.Assign):
        yield node.targets, node.value
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
        yield [node.target], node.value
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        yield [node.target], node.iter
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield [node.optional_vars], node.context_expr
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr
        in ("append", "add", "extend", "insert", "update", "put_nowait", "shuffle")
    ):
        for argument in node.args:
            yield [node.func.value, argument], argument


def _bound_names(target: ast.expr) -> set[str]:
    """The names that an assignment changes; an attribute counts by its own name alone."""
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, ast.Attribute):
        return {f".{target.attr}"}
    if isinstance(target, (ast.Subscript, ast.Starred)):
        return _bound_names(target.value)
    if isinstance(target, (ast.Tuple, ast.List)):
        return {name for each in target.elts for name in _bound_names(each)}
    return set()


def _used_names(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            yield inner.id
        elif isinstance(inner, ast.Attribute):
            yield f".{inner.attr}"
            yield inner.attr
