"""Lets a `conftest.py` implement hooks of timeskip, for the tests beside and below it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from timeskip.hookspecs import plugins

_CONFTESTS = pytest.StashKey[list[ModuleType]]()


def note(config: pytest.Config, plugin: object) -> None:
    """Remember a plugin of pytest's that is a `conftest.py` with hooks of timeskip."""
    if isinstance(plugin, ModuleType) and Path(plugin.__file__ or "").name == "conftest.py":
        conftests = config.stash.setdefault(_CONFTESTS, [])
        if any(map(_is_marked, vars(plugin).values())):
            conftests.append(plugin)


def _is_marked(value: object) -> bool:
    """Whether it is a function with the mark that `hookimpl` leaves."""
    return inspect.isroutine(value) and isinstance(getattr(value, "timeskip_impl", None), dict)


@contextmanager
def of_test(item: pytest.Item) -> Iterator[None]:
    """Within the block the hooks of the `conftest.py` files above the test are called.

    The tests of a sweep run within the protocol of its baseline, whose block this is.
    """
    folders = set(item.path.parents)
    conftests = [
        conftest
        for conftest in item.config.stash.get(_CONFTESTS, [])
        if Path(str(conftest.__file__)).parent in folders and not plugins().is_registered(conftest)
    ]
    for conftest in conftests:
        plugins().register(conftest, name=conftest.__file__)
    try:
        yield
    finally:
        for conftest in conftests:
            plugins().unregister(conftest)
