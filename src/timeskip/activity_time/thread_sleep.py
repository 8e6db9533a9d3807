"""`time.sleep` in an activity, on virtual time; and what else may keep a thread of it waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import SupportsIndex

from timeskip.activity_time.attempt import Attempt, current_attempt
from timeskip.activity_time.process_line import open_line
from timeskip.activity_time.shielding import uninterrupted
from timeskip.activity_time.threads import job_of_this_thread
from timeskip.activity_time.virtual_time import Cancellable

real_sleep = time.sleep


class VirtualSleepInterruptedError(RuntimeError):
    """`time.sleep` in an activity cannot go on, because nothing will move its time any more."""


class WorkerKilledError(BaseException):
    """`time.sleep` on an event loop, in an activity whose worker was killed meanwhile.

    All other code of a killed worker stays where it is for ever, but this one stands in the way of
    the loop. No `Exception`, so that the code does not take it for one of its own.
    """


def sleep(seconds: float | SupportsIndex, /) -> None:
    """What `time.sleep` is while this package is installed.

    In an activity of a simulation it returns once virtual time has passed, everywhere else once
    real time has. As with the real one, a cancellation of a sync activity arrives when it returns.
    `VirtualSleepInterruptedError` if the worker or the simulation is shut down meanwhile;
    `WorkerKilledError` if it blocks an event loop and its worker is killed.
    """
    line = open_line.get()
    attempt = current_attempt.get()
    if line is None and (attempt is None or attempt.clock.closed):
        real_sleep(seconds)
        return
    delay_ns = nanoseconds(seconds)
    if delay_ns <= 0:
        real_sleep(seconds)
    elif line is not None:
        line.sleep(delay_ns)
    else:
        assert attempt is not None
        ThreadPause(attempt).last(delay_ns)


def free_loop(attempt: Attempt) -> None:
    """End a sleep that blocks the event loop of an attempt that is doomed. For any thread."""
    for waiter in attempt.clock.waiters():
        if isinstance(waiter, ThreadPause) and waiter.attempt is attempt and waiter.blocks_loop:
            waiter.give_up()


def nanoseconds(seconds: float | SupportsIndex) -> int:
    """Exact for whole seconds, else to the nearest nanosecond. Errors as of `time.sleep`."""
    if isinstance(seconds, SupportsIndex):
        return seconds.__index__() * 1_000_000_000
    return round(seconds * 1e9)


def interrupt_sleeps(attempt: Attempt, reason: str) -> None:
    """Wake all threads of the attempt with `VirtualSleepInterruptedError`."""
    for waiter in attempt.clock.waiters():
        if isinstance(waiter, ThreadPause) and waiter.attempt is attempt:
            waiter.interrupt(reason)


class ThreadPause:
    """A thread of an attempt waits, until a virtual time or until it is woken."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._is_over = False
        self._timer: Cancellable | None = None
        self._interrupted: str | None = None
        self._given_up = False
        self.blocks_loop = threading.get_ident() == attempt.loop_thread
        self._job = None if self.blocks_loop else job_of_this_thread(attempt)

    def last(self, delay_ns: int | None, *, is_over: Callable[[], bool] = lambda: False) -> None:
        """Wait for so long, or only to be woken if that is None, unless it is over already."""
        clock = self.attempt.clock
        if self.blocks_loop and self.attempt.doomed:
            raise self._killed()
        with uninterrupted():
            if delay_ns is None:
                clock.remember(self)
            else:
                self._timer = clock.wake_at(clock.now_ns() + delay_ns, self)
            try:
                self._set_parked(True)
                if self.attempt.doomed:
                    self.give_up()
                if is_over():
                    self.fall_due()
                if self._job is None:
                    clock.virtual.pass_until(self._woken)
                else:
                    self._woken.wait()
            finally:
                if self._timer is not None:
                    self._timer.cancel()
                clock.forget(self)
                with self._lock:
                    self._is_over = True
                    self._set_parked(False)
        if self._given_up:
            raise self._killed()
        if self._interrupted is not None:
            raise VirtualSleepInterruptedError(f"{self.attempt.running}: {self._interrupted}")

    def fall_due(self) -> None:
        with self._lock:
            if not self._is_over:
                # Before the thread runs, so that the clock does not move on in between.
                self._set_parked(False)
                self._woken.set()

    def time_ends(self) -> None:
        self.interrupt("its simulation was closed while it slept")

    def give_up(self) -> None:
        """A thread cannot be ended from outside: it sleeps until the simulation ends."""
        if self._timer is not None:
            self._timer.cancel()
        if self.blocks_loop:
            self._given_up = True
            self.fall_due()

    def interrupt(self, reason: str) -> None:
        if not self._woken.is_set():
            self._interrupted = reason
            self.fall_due()

    def _killed(self) -> WorkerKilledError:
        return WorkerKilledError(f"{self.attempt.running}: its worker was killed")

    def _set_parked(self, parked: bool) -> None:
        if self._job is None:
            self.attempt.block_loop(parked)
        elif parked:
            self._job.asleep()
        else:
            self._job.awake()
