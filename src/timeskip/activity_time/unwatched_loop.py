"""An event loop's own scheduling, on real time and in no attempt's context."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import Context


class UnwatchedLoop:
    """The methods of the class that the loop had before it was watched."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, own: type[asyncio.AbstractEventLoop]
    ) -> None:
        self.loop = loop
        self._own = own

    def call_soon(self, callback: Callable[[], object]) -> None:
        self._own.call_soon(self.loop, callback, context=_empty)

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> None:
        """As the loop's, but does nothing if the loop is closed: it runs nothing any more."""
        with contextlib.suppress(RuntimeError):
            self._own.call_soon_threadsafe(self.loop, callback, context=_empty)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        return self._own.call_later(self.loop, seconds, callback, context=_empty)


_empty = Context()
