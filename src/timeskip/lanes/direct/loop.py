"""An event loop that is known only later."""

from __future__ import annotations

import asyncio
from typing import Any


class LateLoop:
    """Stands for the loop on which a simulation will live, and becomes it once it is bound.

    Before that, and after the simulation has ended, it is like a loop that is closed.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is None or self._loop.is_closed():
            self._loop = loop

    def close(self) -> None:
        self._loop = None

    @property
    def bound(self) -> asyncio.AbstractEventLoop | None:
        return self._loop

    def __getattr__(self, name: str) -> Any:
        if self._loop is None:
            raise RuntimeError("Event loop is closed")
        return getattr(self._loop, name)
