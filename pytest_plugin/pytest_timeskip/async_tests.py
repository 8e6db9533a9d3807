"""Runs `async def` tests where no async plugin does."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest


def somebody_else_runs(item: pytest.Function) -> bool:
    """Whether an async plugin has claimed the test."""
    if any(item.get_closest_marker(name) for name in ("asyncio", "anyio", "trio")):
        return True
    config = item.config
    if config.pluginmanager.hasplugin("asyncio"):
        mode = config.getoption("asyncio_mode", None) or config.getini("asyncio_mode")
        return str(getattr(mode, "value", mode)) == "auto"
    return "anyio_backend" in item.fixturenames


def coroutine_function(item: pytest.Function) -> Callable[..., Any] | None:
    """What the test is written as, if that is `async def`; of one of Hypothesis what it calls."""
    handle = getattr(item.obj, "hypothesis", None)
    function = item.obj if handle is None else handle.inner_test
    return function if inspect.iscoroutinefunction(function) else None


def run(item: pytest.Function) -> None:
    """Run the test, which is a coroutine function, on an event loop of its own."""
    wanted = item._fixtureinfo.argnames
    arguments: dict[str, Any] = {name: item.funcargs[name] for name in wanted}
    function = coroutine_function(item)
    assert function is not None
    asyncio.run(function(**arguments))
