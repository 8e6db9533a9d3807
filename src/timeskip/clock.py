"""Virtual, real and manual time, and the queue of everything that is due.

Time is an integer of nanoseconds since the Unix epoch and never goes back. Whoever waits for time
schedules an action; actions run in the order of (time, rank, sequence number). Unless a simulation's
seed gives out ranks, two things due at one instant happen in the order in which they were scheduled.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Literal

Nanoseconds = int

SECOND: Nanoseconds = 1_000_000_000

MICROSECOND: Nanoseconds = 1_000

#: Where virtual time starts unless asked otherwise: a Monday, midnight UTC, far from any leap or
#: daylight-saving change, and the same in every run so that histories can be compared.
DEFAULT_START = datetime(2024, 1, 1, tzinfo=timezone.utc)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def nanoseconds_of(moment: datetime) -> Nanoseconds:
    """Nanoseconds since the epoch of an aware datetime."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; virtual time needs an aware datetime")
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1_000


def duration_nanoseconds(duration: timedelta) -> Nanoseconds:
    """The length of a timedelta in nanoseconds, exactly."""
    return (duration.days * 86_400 + duration.seconds) * SECOND + duration.microseconds * 1_000


def datetime_of(moment: Nanoseconds) -> datetime:
    """An aware UTC datetime, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=moment // 1_000)


#: Neither Python's datetime nor protobuf's Timestamp can tell a later one.
END = nanoseconds_of(datetime.max.replace(tzinfo=timezone.utc))


class DueTime:
    """Something that will happen at `when` unless it is cancelled."""

    __slots__ = ("action", "when")

    def __init__(self, when: Nanoseconds, action: Callable[[], None]) -> None:
        self.when = when
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        self.action = None

    @property
    def cancelled(self) -> bool:
        return self.action is None


class Clock:
    """Time as the server sees it, with the queue of due times.

    The base class is the manual clock: time moves when somebody calls `advance_to`.
    """

    def __init__(self, start: Nanoseconds | None = None) -> None:
        self._now = nanoseconds_of(DEFAULT_START) if start is None else start
        #: By (time, rank, sequence number).
        self._queue: list[tuple[Nanoseconds, float, int, DueTime]] = []
        self._sequence = 0
        #: Gives out ranks; None: all are equal.
        self.rank: Callable[[], float] | None = None

    def now(self) -> Nanoseconds:
        return self._now

    def advance_to(self, when: Nanoseconds) -> None:
        """Move time forward to `when`; moving backwards is a mistake of the caller."""
        if when < self._now:
            raise ValueError(f"time cannot go back from {self._now} to {when}")
        self._now = when

    def schedule(
        self, when: Nanoseconds, action: Callable[[], None], *, in_order: bool = False
    ) -> DueTime:
        """Run `action` once time has reached `when` (nanoseconds since the epoch).

        That is at the next whole microsecond. Python's datetimes have no more, and what they leave out
        would make one thing seem to be later than another of the same instant. `in_order`: before
        whatever else is due then, and in the order of scheduling.
        """
        if when > self._now:
            when = -(-when // MICROSECOND) * MICROSECOND
        self._sequence += 1
        rank = 0.0 if in_order or self.rank is None else self.rank()
        due = DueTime(when, action)
        heapq.heappush(self._queue, (when, rank, self._sequence, due))
        return due

    def next_due(self) -> Nanoseconds | None:
        """The earliest time at which something is due, or None. What is due after `END` never is."""
        when = self._first_of_queue()
        return None if when is None or when > END else when

    @property
    def ends_before_next_due(self) -> bool:
        """Whether something is due, but only after the end of time."""
        return (self._first_of_queue() or 0) > END

    def _first_of_queue(self) -> Nanoseconds | None:
        queue = self._queue
        while queue and queue[0][-1].cancelled:
            heapq.heappop(queue)
        return queue[0][0] if queue else None

    def take_due(self) -> Callable[[], None] | None:
        """The first action that is due now, removed from the queue, or None."""
        when = self.next_due()
        if when is None or when > self.now():
            return None
        due = heapq.heappop(self._queue)[-1]
        action, due.action = due.action, None
        return action


class VirtualClock(Clock):
    """Time that jumps to the next due time whenever nothing else can happen."""


class ManualClock(Clock):
    """Time that moves only when the test says so."""


class RealClock(Clock):
    """The machine's own time, kept from going back when the machine's clock is set."""

    def __init__(self) -> None:
        super().__init__(time.time_ns())

    def now(self) -> Nanoseconds:
        self._now = max(self._now, time.time_ns())
        return self._now

    def advance_to(self, when: Nanoseconds) -> None:
        raise ValueError("the real clock cannot be moved")


ClockName = Literal["virtual", "real", "manual"]


def clock_named(name: ClockName, start: Nanoseconds) -> Clock:
    """A new clock; the real one begins when it does. `ValueError` if there is none of that name."""
    if name == "virtual":
        return VirtualClock(start)
    if name == "manual":
        return ManualClock(start)
    if name == "real":
        return RealClock()
    raise ValueError(f"there is no clock {name!r}; choose 'virtual', 'real' or 'manual'")
