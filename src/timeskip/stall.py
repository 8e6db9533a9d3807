"""Notices that for a long real time nothing has come of what goes on in a simulation."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Literal, Protocol

from timeskip.blocked_tests import end_block
from timeskip.clock import RealClock, duration_nanoseconds
from timeskip.lanes.alarms import Alarms
from timeskip.lanes.awaits import is_in_debugger
from timeskip.lanes.time_keeper import TimeKeeper

#: The longest real time between two looks, in seconds.
_LONGEST_TICK = 1.0

#: "waiting": for a workflow, and something real goes on. "circling": for a workflow, and virtual
#: time passes without an event. "continuing": for a workflow, of which one run follows the other, or
#: while a schedule starts others without end.
#: "polling": the test asks again and again while time stands still. "stopping": a worker cannot stop.
#: "idle": the test waits for nothing of the simulation's, and only another process could wake it.
Stall = Literal["waiting", "circling", "continuing", "polling", "stopping", "idle"]

#: Real seconds that a blocked loop gets to go on once those that wait for it were told.
_GRACE = 2.0

#: So many looks are enough once there has been a stall.
_FEW = 3

#: So many runs of one workflow, one after the other, are no accident.
MANY_RUNS = 100

_debuggers = 0


def debugger_entered() -> None:
    """A debugger has stopped this process: until `debugger_left`, nothing takes too long."""
    global _debuggers
    _debuggers += 1


def debugger_left() -> None:
    """The process goes on."""
    global _debuggers
    _debuggers = max(_debuggers - 1, 0)


#: For each `unwatched` block one.
_unwatched: set[object] = set()


@contextlib.contextmanager
def unwatched() -> Iterator[None]:
    """Within the block nothing takes too long: what goes on there gets on, and has bounds of its own."""
    block = object()
    _unwatched.add(block)
    try:
        yield
    finally:
        _unwatched.discard(block)


class Speaker(Protocol):
    """Knows what to say of a stall."""

    def stalled(self, stall: Stall) -> None:
        """Tell the test. Where the simulation's clock runs."""
        ...

    def standstill(self) -> Exception:
        """What threads are told that wait for the simulation's loop, which is blocked."""
        ...

    def block(self, thread: int) -> Exception:
        """What a test is told whose loop, in that thread, is blocked."""
        ...

    def is_idle(self) -> bool:
        """Whether tests wait for what only another process could bring about."""
        ...


class StallWatch:
    """A thread that looks on while a test waits.

    Real time is counted in looks rather than measured, and a look counts only if all event loops
    have answered since the one before. So neither a debugger that stops one of them or all threads,
    nor a machine that was asleep, makes a stall.
    """

    def __init__(
        self,
        keeper: TimeKeeper,
        alarms: Alarms,
        timeout: timedelta,
        speaker: Speaker,
        *,
        is_stopping: Callable[[], bool],
    ) -> None:
        #: Told of the real time between two looks. Whether virtual time may pass because of it.
        self.on_look: Callable[[timedelta], bool] | None = None
        self._keeper = keeper
        self._alarms = alarms
        self._speaker = speaker
        self._is_stopping = is_stopping
        self._tick = min(timeout.total_seconds() / 10, _LONGEST_TICK)
        self._looks = round(timeout.total_seconds() / self._tick)
        self._silent: set[asyncio.AbstractEventLoop] = set()
        self._events = -1
        self._began = 0
        self._calls = 0
        self._waiting = 0
        self._polling = 0
        self._idling = 0
        self._continuing = 0
        #: The first runs of what the test waits for, and what else it waits for.
        self._awaited: set[object] = set()
        self._jumps = 0
        self._standing = 0
        self._blocked: dict[int, Exception] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timeskip-stall", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._tick):
            if _debuggers or _unwatched:
                continue
            if any(loop.is_running() for loop in list(self._silent)):
                self._look_at_blocked()
            else:
                self._ask()

    def _look_at_blocked(self) -> None:
        """A loop does not answer. If it is that of the simulation, nobody in other threads may wait."""
        threads = {thread for loop in list(self._silent) if (thread := self._thread_of(loop))}
        if not threads or any(map(is_in_debugger, threads)):
            return
        keeper = self._keeper
        self._standing += 1
        if self._standing == self._looks and keeper.loop in self._silent:
            keeper.standstill = self._speaker.standstill()
        # What blocks may be a wait for such a thread, which is over soon.
        if self._standing < self._looks + round(_GRACE / self._tick):
            return
        for thread in threads - self._blocked.keys():
            self._blocked[thread] = self._speaker.block(thread)
        of_main_thread = self._blocked.get(threading.main_thread().ident or 0)
        if of_main_thread is not None:
            end_block(of_main_thread)

    def block_of(self, thread: int) -> Exception | None:
        """What somebody is told who waits for the event loop of a thread, if that is blocked."""
        return self._blocked.get(thread)

    def _thread_of(self, loop: asyncio.AbstractEventLoop) -> int | None:
        keeper = self._keeper
        # Not every kind of loop tells.
        return keeper.thread_id if loop is keeper.loop else getattr(loop, "_thread_id", None)

    def _ask(self) -> None:
        self._standing = 0
        self._blocked = {}
        self._keeper.standstill = None
        loops = [self._keeper.loop, *self._keeper.loops.open()]
        self._silent = {loop for loop in loops if loop.is_running()}
        for loop in list(self._silent):
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(self._silent.discard, loop)
        with contextlib.suppress(RuntimeError):
            self._keeper.loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        keeper = self._keeper
        calls, self._calls = keeper.holds.taken - self._calls, keeper.holds.taken
        jumps, self._jumps = keeper.idle_jumps - self._jumps, keeper.idle_jumps
        self._look_at_chains(idles=jumps > 0 and not self._is_stopping())
        if self._alarms.events != self._events or isinstance(keeper.clock, RealClock):
            self._events = self._alarms.events
            self._began = keeper.clock.now()
            self._waiting = self._polling = self._idling = 0
        elif not keeper.skips:
            self._waiting = 0
        elif keeper.is_waited_for():
            self._waiting += 1
            if self._waiting >= self._looks:
                self._stalled("circling" if keeper.clock.now() > self._began else "waiting")
        elif self._is_stopping():
            self._waiting += 1
            if self._waiting >= self._looks:
                self._stalled("stopping")
        elif calls:
            self._polling += 1
            self._idling = 0
            if self._polling >= self._looks:
                self._stalled("circling" if keeper.clock.now() > self._began else "polling")
        elif jumps or self._speaker.is_idle():
            self._idling += 1
            if self._idling >= self._looks:
                self._stalled("circling" if keeper.clock.now() > self._began else "idle")
        span = timedelta(seconds=self._tick)
        if self.on_look is not None and keeper.skips and self.on_look(span):
            # It is no sign of going round in circles.
            self._began = keeper.clock.now() + duration_nanoseconds(span)

    def _look_at_chains(self, *, idles: bool) -> None:
        """Events alone do not tell that a test will end: what continues as new may do so for ever.

        So may what a schedule starts.
        """
        cluster = self._keeper.service.cluster
        awaited: set[object] = {
            run.started.first_execution_run_id for run in cluster.time_waits.values()
        }
        awaited.update(list(self._keeper.conditions))
        if idles:
            awaited.add("an event of the test's own")
        if awaited and not awaited & self._awaited:
            self._awaited, self._continuing = awaited, 0
        self._continuing += 1
        sleeps = any(wait.until is not None for wait in self._keeper.waits)
        may_end = cluster.sleeping_calls or sleeps or not self._keeper.skips
        if self._continuing < self._looks or not awaited or may_end:
            return
        if any(
            run.is_open and run.place_in_chain >= MANY_RUNS for run in cluster.runs.values()
        ) or any(schedule.actions >= MANY_RUNS for schedule in cluster.open_schedules()):
            self._stalled("continuing")

    def _stalled(self, stall: Stall) -> None:
        self._waiting = self._polling = self._idling = self._continuing = 0
        self._looks = min(self._looks, _FEW)
        self._speaker.stalled(stall)
