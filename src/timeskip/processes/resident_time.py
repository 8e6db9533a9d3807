"""A simulation's time in a worker process: for its activities, and what they tell of themselves."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

from timeskip.activity_time.virtual_time import RunningAttempt
from timeskip.clock import Nanoseconds
from timeskip.processes.channel import Channel
from timeskip.processes.messages import (
    AttemptFinished,
    AttemptParked,
    AttemptStarted,
    WakeAt,
    WakeNoMore,
    Woken,
)
from timeskip.processes.shared_clock import SharedClockReader


class ResidentTime:
    """Implements `timeskip.activity_time.VirtualTime`; the clock is in another process."""

    def __init__(self, channel: Channel, clock: SharedClockReader) -> None:
        self._channel = channel
        self._clock = clock
        self._numbers = itertools.count(1)
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._in_steps: dict[int, Callable[[Callable[[], None]], None]] = {}
        #: The timer whose callback runs, until somebody else says when it has done its work.
        self._waking: int | None = None

    def now_ns(self) -> Nanoseconds:
        return self._clock.now()

    def call_at(self, due_ns: Nanoseconds, callback: Callable[[], None]) -> ResidentTimer:
        number = next(self._numbers)
        timer = ResidentTimer(self, number)
        self._callbacks[number] = callback
        # Before the attempt counts as parked, which is told by a later message.
        self._channel.send(WakeAt(number, due_ns))
        return timer

    def hold(self) -> Callable[[], None]:
        number = self._waking
        assert number is not None, "no timer's time has come"
        self._waking = None
        return lambda: self._channel.send(Woken(number))

    def pass_until(self, woken: threading.Event) -> None:
        woken.wait()

    def call_in_steps(
        self, due_ns: Nanoseconds, callback: Callable[[Callable[[], None]], None]
    ) -> None:
        """Time moves on only once the function has been called that `callback` is called with."""
        number = next(self._numbers)
        self._in_steps[number] = callback
        self._channel.send(WakeAt(number, due_ns))

    def wake(self, number: int) -> None:
        """The time of a timer has come. For the thread that hears of it."""
        in_steps = self._in_steps.pop(number, None)
        if in_steps is not None:
            in_steps(lambda: self._channel.send(Woken(number)))
            return
        callback = self._callbacks.pop(number, None)
        self._waking = number
        if callback is not None:
            callback()
        if self._waking is not None:
            self._channel.send(Woken(number))

    def forget(self, number: int) -> None:
        """A timer is not waited for any more."""
        if self._callbacks.pop(number, None) is not None:
            self._channel.send(WakeNoMore(number))


class ResidentTimer:
    """A timer of `ResidentTime`."""

    def __init__(self, time: ResidentTime, number: int) -> None:
        self._time = time
        self._number = number

    def cancel(self) -> None:
        self._time.forget(self._number)


class ResidentAttempts:
    """Implements `timeskip.activity_time.AttemptListener`: hands on what it hears."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._count = itertools.count(1)
        self._numbers: dict[RunningAttempt, int] = {}

    def attempt_started(self, attempt: RunningAttempt) -> None:
        number = self._numbers[attempt] = next(self._count)
        self._channel.send(AttemptStarted(number, attempt))

    def attempt_parked(
        self, attempt: RunningAttempt, parked: bool, *, blocks_loop: bool = False
    ) -> None:
        self._channel.send(AttemptParked(self._numbers[attempt], parked, blocks_loop))

    def attempt_finished(
        self, attempt: RunningAttempt, *, outcome_follows: bool, is_left_open: bool
    ) -> None:
        number = self._numbers.pop(attempt)
        self._channel.send(AttemptFinished(number, outcome_follows, is_left_open))
