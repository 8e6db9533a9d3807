"""Timers of an event loop that fall due by virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any

from timeskip.activity_time.attempt import Attempt
from timeskip.activity_time.virtual_time import Cancellable


class VirtualTimerHandle(asyncio.TimerHandle):
    """What `loop.call_later` and `loop.call_at` return to an activity's code."""

    def __init__(
        self,
        attempt: Attempt,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.attempt = attempt
        self._due_ns = 0
        self._timer: Cancellable | None = None

    def arm(self, due_ns: int) -> None:
        """Run the callback on the loop once virtual time has reached `due_ns`."""
        clock = self.attempt.clock
        if due_ns <= clock.now_ns():
            self.attempt.stir()
            self.attempt.loop.call_soon(self._run_now)
            self.attempt.check_soon()
        else:
            self._due_ns = due_ns
            self._timer = clock.wake_at(due_ns, self)

    def cancel(self) -> None:
        self._disarm()
        # Not TimerHandle's own, which would look for itself among the loop's real timers.
        asyncio.Handle.cancel(self)

    def fall_due(self) -> None:
        if not self.attempt.finished:
            self.attempt.bring(self._run_now)
            return
        # Time takes no notice of the attempt any more, but what wakes now may complete the activity.
        let_go = self.attempt.clock.virtual.hold()
        try:
            self.attempt.loop.call_soon_threadsafe(partial(self._run_left_behind, let_go))
        except RuntimeError:  # the loop is closed
            let_go()
            raise

    def time_ends(self) -> None:
        """Whatever the activity left behind waits for the rest of the time on the real clock."""
        self.attempt.loop.call_soon_threadsafe(self._wait_in_real_time)

    def give_up(self) -> None:
        self.cancel()

    def _wait_in_real_time(self) -> None:
        if self._timer is not None and not self.cancelled():
            self._disarm()
            rest = max(0, self._due_ns - self.attempt.clock.now_ns()) / 1e9
            self.attempt.loop.call_later(rest, self._run_now)

    def _run_left_behind(self, let_go: Callable[[], None]) -> None:
        try:
            self._run_now()
        finally:
            let_go()

    def _run_now(self) -> None:
        self._disarm()
        if not self.cancelled():
            self._run()

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            self.attempt.clock.forget(self)
