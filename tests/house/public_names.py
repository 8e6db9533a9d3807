"""The names that users may import: what the public modules list in `__all__`."""

from __future__ import annotations

import ast

from tests.house.source_files import SourceFile, python_files

PUBLIC_MODULES = (
    "timeskip",
    "timeskip.coverage",
    "timeskip.errors",
    "timeskip.faults",
    "timeskip.fuzzing",
    "timeskip.histories",
    "timeskip.hookspecs",
    "timeskip.timeline",
)


def exported(source: SourceFile) -> list[str]:
    """The strings of the module's `__all__`, in order. Empty if it has none."""
    return [
        name
        for node in source.tree.body
        if isinstance(node, ast.Assign)
        and [ast.unparse(target) for target in node.targets] == ["__all__"]
        for name in ast.literal_eval(node.value)
    ]


def public_names() -> dict[str, list[str]]:
    """The public names of each public module that exists."""
    return {
        source.module: exported(source)
        for source in python_files("timeskip")
        if source.module in PUBLIC_MODULES
    }


def origins(source: SourceFile) -> set[str]:
    """Where the module's public names are defined: `timeskip.simulation.Simulation`."""
    imported_from = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in source.tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return {imported_from.get(name, f"{source.module}.{name}") for name in exported(source)}


def public_definitions() -> frozenset[str]:
    """Where everything that users may import is defined."""
    return frozenset(
        origin
        for source in python_files("timeskip")
        if source.module in PUBLIC_MODULES
        for origin in origins(source)
    )
