"""An event loop whose turns and whose time are made by hand."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, cast


class _Handle:
    """Something that will be done, at `when` at the earliest, unless it is cancelled."""

    def __init__(self, when: float, action: Callable[[], object]) -> None:
        self.when = when
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class HandLoop:
    """Only what a `TimeKeeper` asks of its loop."""

    def __init__(self) -> None:
        self._now = 100.0
        self._soon: deque[_Handle] = deque()
        self._later: list[_Handle] = []
        self._closed = False

    @property
    def as_loop(self) -> asyncio.AbstractEventLoop:
        """The same, for signatures that ask for a whole event loop."""
        return cast("asyncio.AbstractEventLoop", self)

    def run_ready(self) -> int:
        """Do what is ready now, and what follows from it; how many things that was."""
        done = 0
        while self._soon:
            handle = self._soon.popleft()
            if not handle.cancelled:
                handle.action()
                done += 1
        return done

    def pass_time(self, seconds: float) -> None:
        """Let real time pass, and do whatever becomes ready on the way."""
        end = self._now + seconds
        self.run_ready()
        while (timer := self._next_timer()) is not None and timer.when <= end:
            self._later.remove(timer)
            self._now = max(self._now, timer.when)
            timer.action()
            self.run_ready()
        self._now = end

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> _Handle:
        if self._closed:
            raise RuntimeError("Event loop is closed")
        handle = _Handle(self._now, lambda: callback(*args))
        self._soon.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> _Handle:
        timer = _Handle(self._now + delay, lambda: callback(*args))
        self._later.append(timer)
        return timer

    def close(self) -> None:
        self._closed = True

    def is_closed(self) -> bool:
        return self._closed

    def _next_timer(self) -> _Handle | None:
        self._later = [timer for timer in self._later if not timer.cancelled]
        return min(self._later, key=lambda timer: timer.when, default=None)
