"""Lets time pass for activities that really work for long and heartbeat meanwhile.

Real work holds the clock, but one that goes on until somebody cancels it would hold it for ever, if
that is to happen some virtual time later. An activity that heartbeats shows that time is something to it.
So once time has stood still for a while of real time, what the machine's clock counts between two of its
heartbeats passes in virtual time as well.
"""

from __future__ import annotations

import time
from datetime import timedelta

from timeskip.activity_time.activity_clock import ActivityClock
from timeskip.activity_time.attempt import Attempt
from timeskip.clock import MICROSECOND, duration_nanoseconds

#: Real nanoseconds that time stands still before it follows the machine's clock.
_STANDSTILL = 1_000_000_000

#: Virtual nanoseconds that pass at most after one heartbeat: a debugger may have stopped the activity.
_LONGEST_STEP = 1_000_000_000


class MachinePace:
    """The pace of one attempt. For the event loop's thread only."""

    def __init__(self, attempt: Attempt, heartbeat_timeout: timedelta | None) -> None:
        self._attempt = attempt
        self._longest_step = _LONGEST_STEP
        if heartbeat_timeout:
            self._longest_step = min(_LONGEST_STEP, duration_nanoseconds(heartbeat_timeout) // 2)
        self._heard = self._stands_since = time.monotonic_ns()
        self._reached = attempt.clock.now_ns()

    def heartbeat(self) -> None:
        """The activity has sent a heartbeat."""
        now, virtual_now = time.monotonic_ns(), self._attempt.clock.now_ns()
        span, self._heard = now - self._heard, now
        if virtual_now > self._reached:
            self._stands_since, self._reached = now, virtual_now
        elif now - self._stands_since >= _STANDSTILL:
            # Whole microseconds, as all that is due.
            span = min(span, self._longest_step) // MICROSECOND * MICROSECOND
            self._reached = virtual_now + span
            Step(self._attempt, self._attempt.clock).take(span)


class Step:
    """A span of time that may pass although the attempt works."""

    def __init__(self, attempt: Attempt, clock: ActivityClock) -> None:
        self.attempt = attempt
        self._clock = clock

    def take(self, span: int) -> None:
        # First of all its end is to stand in the queue.
        self._clock.wake_at(self._clock.now_ns() + span, self)
        self.attempt.let_pass(self)

    def fall_due(self) -> None:
        self._clock.forget(self)
        self.attempt.has_passed(self)

    time_ends = give_up = fall_due
