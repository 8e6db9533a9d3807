"""A clock that jumps whenever every attempt is parked: the least that a simulation does."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

from timeskip.activity_time import RunningAttempt

START_NS = 1_704_067_200_000_000_000


class _Timer:
    """A callback that is due."""

    def __init__(self, due_ns: int, sequence: int, callback: Callable[[], None]) -> None:
        self.order = (due_ns, sequence)
        self.due_ns = due_ns
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def __lt__(self, other: _Timer) -> bool:
        return self.order < other.order


class IdleClock:
    """Both the clock and the listener of an `ActivityTime`, with a thread of its own.

    `jumps` are the seconds since the start at which something fell due, `told` what the listener
    heard, `running` the attempts that have started and not finished, each with whether it parks.
    """

    def __init__(self) -> None:
        self.jumps: list[float] = []
        self.told: list[tuple[str, object]] = []
        self.running: dict[RunningAttempt, bool] = {}
        self.outcome_follows: list[bool] = []
        self._now_ns = START_NS
        self._timers: list[_Timer] = []
        self._sequence = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="idle-clock")
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the start."""
        return (self._now_ns - START_NS) / 1e9

    def pending(self) -> int:
        """How many timers have not fallen due."""
        with self._changed:
            return sum(not timer.cancelled for timer in self._timers)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that a call to the clock or the listener brings about."""
        with self._changed:
            assert self._changed.wait_for(condition, timeout=10), self.told

    # --- VirtualTime -----------------------------------------------------------------------------

    def now_ns(self) -> int:
        return self._now_ns

    def call_at(self, due_ns: int, callback: Callable[[], None]) -> _Timer:
        timer = _Timer(due_ns, next(self._sequence), callback)
        with self._changed:
            heapq.heappush(self._timers, timer)
            self._changed.notify_all()
        return timer

    def hold(self) -> Callable[[], None]:
        hold = RunningAttempt(b"", True, "left behind", "", 1, None, None)
        with self._changed:
            self.running[hold] = False

        def let_go() -> None:
            with self._changed:
                del self.running[hold]
                self._changed.notify_all()

        return let_go

    def pass_until(self, woken: threading.Event) -> None:
        woken.wait()

    # --- AttemptListener -------------------------------------------------------------------------

    def attempt_started(self, attempt: RunningAttempt) -> None:
        with self._changed:
            self.running[attempt] = False
            self._tell("started", None)

    def attempt_parked(
        self, attempt: RunningAttempt, parked: bool, *, blocks_loop: bool = False
    ) -> None:
        with self._changed:
            self.running[attempt] = parked
            self._tell("parked" if parked else "awake", "blocks loop" if blocks_loop else None)

    def attempt_finished(
        self, attempt: RunningAttempt, *, outcome_follows: bool, is_left_open: bool
    ) -> None:
        with self._changed:
            del self.running[attempt]
            self.outcome_follows.append(outcome_follows)
            self._tell("finished", None)

    def _tell(self, what: str, how: object) -> None:
        self.told.append((what, how))
        self._changed.notify_all()

    # --- the jumps -------------------------------------------------------------------------------

    def _next(self) -> _Timer | None:
        while self._timers and self._timers[0].cancelled:
            heapq.heappop(self._timers)
        if self._timers and self.running and all(self.running.values()):
            return heapq.heappop(self._timers)
        return None

    def _run(self) -> None:
        while True:
            timer = None
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._due() is not None)
                if self._stopped:
                    return
                timer = self._next()
                assert timer is not None
                self._now_ns = timer.due_ns
                self.jumps.append(self.elapsed)
            timer.callback()
            with self._changed:
                self._changed.notify_all()

    def _due(self) -> _Timer | None:
        timer = self._next()
        if timer is not None:
            heapq.heappush(self._timers, timer)
        return timer
