"""Whether what one line gets may decide what another line does: by the names in the source."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from timeskip.histories.replaying.commands import Place
from timeskip.histories.replaying.source import source_tree

#: Rounds in which names make other names doubtful; longer chains are rare.
_MOST_ROUNDS = 10

_WAYS_OUT = (ast.Return, ast.Raise, ast.Break, ast.Continue)
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

    def reaches(
        self,
        places: Iterable[Place],
        conditions: Iterable[Place],
        passed: Iterable[Place] = (),
    ) -> bool:
        """Whether it has to do with some lines, what those are nested in, or what decides before.

        `passed`: lines that count only if they are conditions that led out of where they are.
        """
        looks: list[tuple[Iterable[Place], Callable[[ast.AST, int], Iterable[ast.AST]]]] = [
            (places, partial(deciding, only_conditions=False)),
            (conditions, partial(deciding, only_conditions=True)),
            (passed, _leading_out),
        ]
        for lines, look in looks:
            for each in lines:
                tree = self._trees.get(each.path)
                if tree is not None and any(
                    self._is_doubtful(each.path, node) for node in look(tree, each.line)
                ):
                    return True
        return False

    def _spread(self, path: str, node: ast.AST, function: str | None) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = node.name
        for targets, value in bindings(node):
            if self._is_doubtful(path, value):
                for target in targets:
                    self.names |= _bound_names(target)
        if (
            isinstance(node, (ast.Return, ast.Yield))
            and node.value is not None
            and function is not None
        ):
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
            for targets, _ in bindings(inner):
                for target in targets:
                    self.names |= _bound_names(target)
            if isinstance(inner, (ast.Raise, ast.Yield)) or (
                isinstance(inner, ast.Return) and inner.value is not None
            ):
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
    """What decides that a line runs, and with what: its expressions, and those around it.

    And those before it that might have led elsewhere, as `if ...: return` does.
    """
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or not _spans(node, line):
            continue
        yield from _ways_out(node, line)
        if isinstance(node, (*_Function, ast.ClassDef)):
            continue
        if isinstance(node, (ast.If, ast.While)):
            if _does_something(node):
                yield node.test
        elif isinstance(node, ast.For):
            if _does_something(node):
                yield node.iter
        elif isinstance(node, ast.AsyncFor):
            yield node.iter
        elif isinstance(node, ast.Try):
            if not any(_spans(each, line) for each in node.body):
                yield from _expressions(node.body)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            yield from (item.context_expr for item in node.items)
        elif isinstance(node, ast.Match):
            yield node.subject
        elif not only_conditions:
            yield from (each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr))


def _ways_out(node: ast.stmt, line: int) -> Iterator[ast.AST]:
    """The conditions under which what is in a statement ends before it comes to a line."""
    for body in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
        if not isinstance(body, list) or not any(_spans(each, line) for each in body):
            continue
        for before in body:
            if before.lineno >= line:
                break
            if isinstance(before, ast.If) and _leads_out(before):
                yield before.test
            elif isinstance(before, ast.Try) and _leads_out(before):
                yield from _expressions(before.body)


def _leading_out(tree: ast.AST, line: int) -> Iterator[ast.AST]:
    """The condition on a line under which its function or loop is left."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and node.lineno == line and _leads_out(node):
            yield node.test


def _leads_out(node: ast.stmt) -> bool:
    return any(isinstance(inner, _WAYS_OUT) for inner in ast.walk(node))


def _does_something(node: ast.stmt) -> bool:
    """Whether a workflow may ask for something there, or leave it; not if it only logs, say.

    What is only assigned there spreads by its name.
    """
    return any(
        isinstance(inner, (*_WAYS_OUT, ast.Await, ast.Yield, ast.YieldFrom))
        or (isinstance(inner, ast.Call) and not _is_of_logger(inner.func))
        for statement in _statements_within(node)
        for inner in ast.walk(statement)
    )


def _statements_within(node: ast.stmt) -> Iterator[ast.stmt]:
    for name in ("body", "orelse"):
        yield from getattr(node, name, ())


def _is_of_logger(function: ast.expr) -> bool:
    """Whether it is a call such as `workflow.logger.info`, or `print`."""
    if isinstance(function, ast.Name):
        return function.id == "print"
    owner = function.value if isinstance(function, ast.Attribute) else None
    names = {getattr(owner, "attr", ""), getattr(owner, "id", "")}
    return bool(names & {"logger", "logging", "log", "_logger"})


def _expressions(body: Iterable[ast.stmt]) -> Iterator[ast.expr]:
    for statement in body:
        yield from (each for each in ast.walk(statement) if isinstance(each, ast.expr))


def _spans(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def bindings(node: ast.AST) -> Iterator[tuple[list[ast.expr], ast.expr]]:
    """What gets a name or is changed, and from what."""
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
