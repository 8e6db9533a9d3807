"""A simulation's clock as its activities use it."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from timeskip.activity_time.virtual_time import Cancellable, VirtualTime


class Waiter(Protocol):
    """Something in an activity that waits for a virtual time. Called on other threads."""

    @property
    def attempt(self) -> object:
        """The attempt whose code waits."""
        ...

    def fall_due(self) -> None:
        """The time has come."""
        ...

    def time_ends(self) -> None:
        """The simulation is closed, so that its time will never come."""
        ...

    def give_up(self) -> None:
        """The attempt was killed: its time does not come any more."""
        ...


class ActivityClock:
    """Virtual nanoseconds, and `loop.time()`, which is a float of seconds.

    `loop.time()` goes on from the real one, so that what a fixture noted before an activity began
    compares sensibly with what the activity notes. Once the simulation is `closed`, whatever its
    activities have left behind is back on real time.
    """

    def __init__(self, clock: VirtualTime) -> None:
        self.closed = False
        #: Whether an activity did anything whose end is not a matter of this clock alone.
        self.real_work_seen = False
        self.virtual = clock
        self._origin_ns = clock.now_ns()
        self._origin_seconds = time.monotonic()
        self._lock = threading.Lock()
        self._waiters: dict[int, Waiter] = {}

    def now_ns(self) -> int:
        return self.virtual.now_ns()

    def loop_time(self) -> float:
        """What `loop.time()` says now."""
        return self._origin_seconds + (self.virtual.now_ns() - self._origin_ns) / 1e9

    def due_ns(self, when: float) -> int:
        """What `when`, a time of `loop.time()`, means, to the microsecond: floats have errors."""
        return self._origin_ns + round((when - self._origin_seconds) * 1e6) * 1_000

    def wake_at(self, due_ns: int, waiter: Waiter) -> Cancellable:
        """Tell `waiter` when it is time. It must `forget` itself when it waits no longer."""
        with self._lock:
            self._waiters[id(waiter)] = waiter
        timer = self.virtual.call_at(due_ns, waiter.fall_due)
        if self.closed:
            waiter.time_ends()
        return timer

    def remember(self, waiter: Waiter) -> None:
        """It waits for something else, and is told only if time ends. The same goes for it."""
        with self._lock:
            self._waiters[id(waiter)] = waiter
        if self.closed:
            waiter.time_ends()

    def forget(self, waiter: Waiter) -> None:
        with self._lock:
            self._waiters.pop(id(waiter), None)

    def waiters(self) -> list[Waiter]:
        with self._lock:
            return list(self._waiters.values())

    def close(self) -> None:
        """Wake whoever waits."""
        self.closed = True
        for waiter in self.waiters():
            waiter.time_ends()
