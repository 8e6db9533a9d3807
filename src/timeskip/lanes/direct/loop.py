"""The event loop of a simulation that has none, not yet or not any more."""

from __future__ import annotations

import asyncio
import time
from typing import NoReturn, cast


class NoLoop:
    """Behaves like a loop that is closed."""

    def call_soon_threadsafe(self, *arguments: object, **options: object) -> NoReturn:
        raise RuntimeError("Event loop is closed")

    call_soon = call_later = call_soon_threadsafe

    def time(self) -> float:
        return time.monotonic()

    def is_running(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return True


def no_loop() -> asyncio.AbstractEventLoop:
    """A stand-in for a loop."""
    return cast(asyncio.AbstractEventLoop, NoLoop())
