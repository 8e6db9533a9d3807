"""The source of a user's code, as Python reads it."""

from __future__ import annotations

import ast
import functools
import linecache

from temporalio.workflow import unsafe

from timeskip.lanes.collector import nothing_collected


@functools.cache
def source_tree(path: str) -> ast.Module | None:
    """The file as Python reads it; None if it cannot be had."""
    with unsafe.sandbox_unrestricted():
        text = "".join(linecache.getlines(path))
    try:
        with nothing_collected():  # see `sandbox_modules`
            return ast.parse(text) if text else None
    except SyntaxError:
        return None


def function_at(path: str, line: int) -> str:
    """The function that a line is in, with the classes and functions around it: `Order.run`."""
    tree = source_tree(path)
    names = [
        (node.lineno, node.name)
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return ".".join(name for _, name in sorted(names))


def class_at(path: str, line: int) -> str | None:
    """The outermost class that a line is in."""
    tree = source_tree(path)
    return next(
        (
            node.name
            for node in (tree.body if tree is not None else ())
            if isinstance(node, ast.ClassDef)
            and _first_line(node) <= line <= (node.end_lineno or node.lineno)
        ),
        None,
    )


def _first_line(node: ast.ClassDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


@functools.cache
def lines_in_loops(path: str) -> frozenset[int]:
    """The lines of a file that one call of a function may come by several times."""
    tree = source_tree(path)
    loops = (
        ast.For,
        ast.AsyncFor,
        ast.While,
        ast.ListComp,
        ast.SetComp,
        ast.DictComp,
        ast.GeneratorExp,
    )
    return frozenset(
        line
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, loops)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    )


@functools.cache
def async_functions(path: str) -> frozenset[str]:
    """The names of a file's functions and methods with `async def`."""
    tree = source_tree(path)
    nodes = ast.walk(tree) if tree is not None else ()
    return frozenset(node.name for node in nodes if isinstance(node, ast.AsyncFunctionDef))
