"""Whether an event loop still has something to do before it waits for the outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: A loop that is never quiet must not stop time for ever.
_PATIENCE = 100


def when_quiet(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    """Call `action` once everything that is ready on the loop now, and what follows from it, has run.

    Must be called on the loop. Other loops than asyncio's own do not show what is ready; there a few
    turns of the loop have to do.
    """
    ready = getattr(loop, "_ready", None)
    turns = _PATIENCE if ready is not None else 10

    def look() -> None:
        nonlocal turns
        turns -= 1
        if turns <= 0 or (ready is not None and not ready):
            action()
        else:
            loop.call_soon(look)

    loop.call_soon(look)


def next_timer(loop: asyncio.AbstractEventLoop) -> float | None:
    """Seconds until the loop's next real timer, or None if it has none (or does not tell)."""
    timers = [handle.when() for handle in getattr(loop, "_scheduled", ()) if not handle.cancelled()]
    return max(min(timers) - loop.time(), 0.0) if timers else None


def watches_files(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether sockets or pipes other than the loop's own could bring something new."""
    selector = getattr(loop, "_selector", None)
    files = selector.get_map() if selector is not None else None
    return files is not None and len(files) > 1
