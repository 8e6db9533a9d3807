"""Histories that other suites keep: of the real server, of many kinds of workflows."""

from __future__ import annotations

from pathlib import Path

_TESTS = Path(__file__).parents[1]

#: Their files, in one order.
FILES = sorted(
    file
    for folder in ("timeline/histories", "lanes/direct/histories")
    for file in (_TESTS / folder).glob("*.json")
)


def named(name: str) -> Path:
    """The file of that name, without its ending."""
    return next(file for file in FILES if file.stem == name)
