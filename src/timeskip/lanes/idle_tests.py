"""How far virtual time may move while a test waits, but not for time.

A test may sleep by the machine's clock, look again and again, or await an event that one of its
activities will set. Time moves then as well, or such a test would wait for ever:

- A sleep of the test is a span of virtual time, too. What is due within it happens.
- If nothing but the simulation can wake the test, time jumps to whatever is due, though not past the
  end of a sleep.
- If something else may wake it, such as a socket or a thread, virtual time keeps the machine's pace.

Real time that passes otherwise, while the test computes or stands in a debugger, does not count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from timeskip.clock import SECOND, Nanoseconds

#: Real seconds between two looks whether a test that something else may wake still waits.
_LOOK_AGAIN = 0.1

#: Not at once: what is due has not come yet.
_SHORTEST = 0.001


@dataclass(frozen=True)
class Idleness:
    """A loop on which a test waits and that has nothing to do."""

    loop: asyncio.AbstractEventLoop
    now: float
    """The loop's time, which is the machine's, in seconds."""
    next_timer: asyncio.TimerHandle | None
    """What will wake the loop by itself."""
    may_have_news: bool
    """Whether something outside of the simulation may wake it before."""
    next_sleep: asyncio.TimerHandle | None = None
    """What will end the next sleep of one of its tasks."""
    threads_work: bool = False
    """Whether threads of the test's are busy."""


class IdleTests:
    """Counts the virtual time that tests have slept through."""

    def __init__(self) -> None:
        #: Where virtual time would be if it had moved with every sleep. The clock itself only
        #: ever stands at instants at which something was due.
        self._reached: Nanoseconds = 0
        #: The virtual instants at which the timers that tests wait for end.
        self._ends: dict[asyncio.TimerHandle, Nanoseconds] = {}
        #: Those of them that end a sleep; of uvloop's, which do not tell, all.
        self._sleeps: set[object] = set()

    def seconds_before(
        self, due: Nanoseconds | None, now: Nanoseconds, loops: Iterable[Idleness]
    ) -> float | None:
        """Real seconds after which what is due may happen, or after which to ask again.

        0.0 is at once; None if tests have to do something first. `now` is the virtual time, `due` is
        None if nothing is due.
        """
        loops = list(loops)
        if not loops:
            return None
        self._reached = max(self._reached, now)
        self._count_sleeps(max(loop.now for loop in loops))
        ends = [end for loop in loops if (end := self._end_of(loop)) is not None]
        if due is not None:
            if due <= self._reached:
                return 0.0
            if not any(loop.may_have_news for loop in loops) and due <= min(ends, default=due):
                return 0.0
            ends.append(due)
        spans = [(end - self._reached) / SECOND for end in ends]
        if any(loop.may_have_news for loop in loops):
            spans.append(_LOOK_AGAIN)
        return max(min(spans), _SHORTEST) if spans else None

    def reached(self, loop_time: float) -> Nanoseconds:
        """Where virtual time would be, had it moved with every sleep that has ended by now."""
        self._count_sleeps(loop_time)
        return self._reached

    def waited(self, seconds: float) -> None:
        """Tests have waited for so long, and nothing has happened meanwhile."""
        self._reached += int(seconds * SECOND)

    def _count_sleeps(self, now: float) -> None:
        for timer, end in list(self._ends.items()):
            has_ended = timer.when() <= now
            if has_ended or timer.cancelled():
                del self._ends[timer]
                is_sleep = timer in self._sleeps
                self._sleeps.discard(timer)
                # `asyncio.sleep` cancels its timer in the end, even if that has gone off.
                if has_ended and (is_sleep or not timer.cancelled()):
                    self._reached = max(self._reached, end)

    def _end_of(self, loop: Idleness) -> Nanoseconds | None:
        timer = loop.next_timer
        if timer is None:
            return None
        if timer is loop.next_sleep or type(timer) is not asyncio.TimerHandle:
            self._sleeps.add(timer)
        left = int((timer.when() - loop.now) * SECOND)
        return self._ends.setdefault(timer, self._reached + max(left, 0))
