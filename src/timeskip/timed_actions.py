"""`sim.at(...)`: what a test does at virtual instants."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from timeskip.lanes.awaits import name_of_callable
from timeskip.lanes.holds import Hold, enclosing_hold
from timeskip.lanes.time_keeper import TimeKeeper


class TimedActions:
    """Time stands still while one runs. `fail`, for any thread, ends the test with an error."""

    def __init__(self, keeper: TimeKeeper, fail: Callable[[Exception], None]) -> None:
        self._keeper = keeper
        self._fail = fail
        self._tasks: set[asyncio.Task[None]] = set()

    def act(
        self,
        loop: asyncio.AbstractEventLoop,
        action: Callable[..., Any],
        arguments: tuple[Any, ...],
    ) -> None:
        """Call `action(*arguments)` on a loop, and await it there if it is a coroutine."""
        hold = self._keeper.holds.take(f"what was given to `sim.at`: {name_of_callable(action)}")
        try:
            loop.call_soon_threadsafe(self._start, loop, hold, action, arguments)
        except RuntimeError:
            hold.release()

    def _start(
        self,
        loop: asyncio.AbstractEventLoop,
        hold: Hold,
        action: Callable[..., Any],
        arguments: tuple[Any, ...],
    ) -> None:
        async def act() -> None:
            enclosing_hold.set(hold)
            try:
                outcome = action(*arguments)
                if inspect.isawaitable(outcome):
                    await outcome
            except Exception as error:  # noqa: BLE001 - it is the test's own, and is raised there
                self._fail(error)
            finally:
                hold.release()

        task = loop.create_task(act())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
