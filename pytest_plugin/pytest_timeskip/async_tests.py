"""Runs `async def` tests where no async plugin does."""

from __future__ import annotations

import asyncio
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


def run(item: pytest.Function) -> None:
    """Run the test on an event loop of its own."""
    wanted = item._fixtureinfo.argnames
    arguments: dict[str, Any] = {name: item.funcargs[name] for name in wanted}
    asyncio.run(item.obj(**arguments))
