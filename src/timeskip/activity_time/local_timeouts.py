"""Tells an attempt that it has run out of time, a while after the server has given it up.

A worker's core does so for activities that send no heartbeats, which otherwise hear of nothing. But it
counts by the machine's clock. Here virtual time counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from timeskip.activity_time.attempt import Attempt
from timeskip.activity_time.virtual_time import Cancellable
from timeskip.clock import SECOND, Nanoseconds, duration_nanoseconds

#: How long after the server, as the core does it.
_BUFFER = 5 * SECOND


class LocalTimeouts:
    """Those of one attempt, from its beginning until `stop`. For any thread.

    `start_to_close`, `heartbeat`: None or zero if there is no such timeout. `time_out` is called on
    the clock's thread.
    """

    def __init__(
        self,
        attempt: Attempt,
        start_to_close: timedelta | None,
        heartbeat: timedelta | None,
        time_out: Callable[[], None],
    ) -> None:
        self._whole = _Timeout(attempt, start_to_close, time_out)
        self._heartbeat = _Timeout(attempt, heartbeat, time_out)

    def heartbeat_answered(self) -> None:
        """The server has answered a heartbeat."""
        self._heartbeat.start()

    def stop(self) -> None:
        """The attempt has ended."""
        self._whole.give_up()
        self._heartbeat.give_up()


class _Timeout:
    def __init__(
        self, attempt: Attempt, limit: timedelta | None, time_out: Callable[[], None]
    ) -> None:
        self.attempt = attempt
        self._limit: Nanoseconds = duration_nanoseconds(limit) if limit else 0
        self._time_out = time_out
        self._timer: Cancellable | None = None
        self._is_over = False
        self._lock = threading.RLock()
        self.start()

    def start(self) -> None:
        """Count from now on."""
        with self._lock:
            self._cancel()
            if self._limit and not self._is_over:
                clock = self.attempt.clock
                self._timer = clock.wake_at(clock.now_ns() + self._limit + _BUFFER, self)

    def fall_due(self) -> None:
        with self._lock:
            timed_out, self._is_over = not self._is_over, True
            self._cancel()
        if timed_out:
            self._time_out()

    def give_up(self) -> None:
        with self._lock:
            self._is_over = True
            self._cancel()

    time_ends = give_up

    def _cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            self.attempt.clock.forget(self)
