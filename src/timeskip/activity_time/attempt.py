"""One attempt of an activity, and whether it is parked: waiting for nothing but virtual time.

An attempt is parked if all of this holds:

1. the event loop has nothing left to run in the attempt's context;
2. what its tasks wait for comes from virtual time or from within the process (see `waits`);
3. each of its threads is in a virtual sleep (see `threads`);
4. the server has heard its latest heartbeat, and a cancellation that the server answered with has
   arrived (see `heartbeats` and `cancellation`).

Rule 1 needs neither polling nor counting. The loop runs what is queued in the order in which it was
queued. Whenever something is queued in the attempt's context, the attempt is stirred and a check is
queued behind it. A check that finds the attempt not stirred since the check was queued knows that
everything before it has run and has queued nothing new.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from timeskip.activity_time.activity_clock import ActivityClock
from timeskip.activity_time.unwatched_loop import UnwatchedLoop
from timeskip.activity_time.virtual_time import AttemptListener, RunningAttempt
from timeskip.activity_time.waits import Verdict, Waits


class Attempt:
    """What is known about one attempt while its code runs.

    `stir` and `check_soon` are for the event loop's thread, everything else for any thread. The
    listener is called with the attempt's lock held, so that what it hears is in order.
    """

    def __init__(
        self,
        running: RunningAttempt,
        clock: ActivityClock,
        listener: AttemptListener,
        loop: UnwatchedLoop,
        *,
        quiet_seconds: float,
    ) -> None:
        self.running = running
        self.clock = clock
        self.loop = loop
        self.loop_thread = threading.get_ident()
        self.waits = Waits(asyncio.current_task())
        self.finished = False
        #: Whether the worker that ran it is gone: nothing of its code runs any more.
        self.killed = False
        #: Whether that is about to be so, or is.
        self.doomed = False
        self._listener = listener
        self._quiet_seconds = quiet_seconds
        # Reentrant, because a finalizer that uses the loop may run at any time in any thread.
        self._lock = threading.RLock()
        self._stirred = False
        self._check_queued = False
        self._grace: asyncio.TimerHandle | None = None
        self._quiet = False
        self._arriving = 0
        self._holds: set[object] = set()
        self._work: set[object] = set()
        #: Of that work, what waits for an answer that takes virtual time.
        self._resting: set[object] = set()
        #: Spans of time that may pass whatever work is done meanwhile.
        self._steps: set[object] = set()
        self._loop_blocked = False
        self._told = False
        self._telling = False

    def start(self) -> None:
        """The activity's code is about to run, in the task that is running now."""
        self._listener.attempt_started(self.running)
        self.stir()
        self.check_soon()

    def finish(self, *, outcome_follows: bool) -> None:
        """The activity's code has ended; what it leaves behind no longer counts."""
        if self.killed:
            return
        self._finish(outcome_follows=outcome_follows, is_left_open=not outcome_follows)

    def _finish(self, *, outcome_follows: bool, is_left_open: bool) -> None:
        self._cancel_grace()
        with self._lock:
            self.finished = True
            self._listener.attempt_finished(
                self.running,
                # What a killed worker reports does not arrive.
                outcome_follows=outcome_follows and not self.doomed,
                is_left_open=is_left_open and not self.doomed,
            )
        self.waits.let_go()

    def kill(self) -> list[asyncio.Task[Any]]:
        """Let nothing of the attempt's code run any more. The tasks that will never go on.

        For the loop's thread. The code does not get to its `except` and `finally` blocks either: it
        is as if its process were gone. Threads stop where they next sleep.
        """
        if not self.killed:
            self._finish(outcome_follows=False, is_left_open=False)
        self.killed = self.doomed = True
        tasks = self.waits.unfinished()
        # What would be the next steps of tasks. The rest of what is queued may be somebody else's.
        for handle in list(getattr(self.loop.loop, "_ready", ())):
            if getattr(handle._callback, "__self__", None) in tasks:
                handle.cancel()
        for waiter in self.clock.waiters():
            if waiter.attempt is self:
                waiter.give_up()
        return tasks

    # --- what runs on the loop -----------------------------------------------------------------

    def stir(self) -> None:
        """Something is about to be queued on the loop in the attempt's context."""
        self._stirred = True
        if self._quiet:
            with self._lock:
                self._quiet = False
                self._tell()
        if self._grace is not None:
            self._cancel_grace()

    def check_soon(self) -> None:
        """Look whether the attempt has become quiet once all that is queued now has run."""
        if not (self._check_queued or self.finished):
            self._check_queued = True
            self._stirred = False
            self.loop.call_soon(self._check)

    def bring(self, callback: Callable[[], object]) -> None:
        """Have the loop run a callback that belongs to the attempt. For any thread."""

        def run() -> None:
            callback()
            self._arrived()

        self._expect_arrival()
        self.loop.call_soon_threadsafe(run)

    @contextlib.contextmanager
    def arrival(self) -> Iterator[None]:
        """Around what another thread queues on the loop for the attempt.

        The attempt is not parked from before the block until the loop has run what it queued.
        """
        self._expect_arrival()
        try:
            yield
        finally:
            self.loop.call_soon_threadsafe(self._arrived)

    def _expect_arrival(self) -> None:
        with self._lock:
            self._arriving += 1
            self._quiet = False
            self._tell()

    def _arrived(self) -> None:
        with self._lock:
            self._arriving -= 1
        self.stir()
        self.check_soon()

    def _check(self) -> None:
        self._check_queued = False
        if self._stirred:
            self.check_soon()
            return
        verdict = self.waits.verdict()
        if verdict is Verdict.IDLE:
            self._settle()
            return
        self.clock.real_work_seen = True
        if verdict is Verdict.UNSURE:
            self._grace = self.loop.call_later(self._quiet_seconds, self._settle)

    def _settle(self) -> None:
        self._grace = None
        with self._lock:
            # An arrival brings its own check.
            if not self._arriving:
                self._quiet = True
                self._tell()

    def _cancel_grace(self) -> None:
        grace, self._grace = self._grace, None
        if grace is not None:
            grace.cancel()

    # --- what holds the clock elsewhere --------------------------------------------------------

    def hold(self, reason: object, *, is_work: bool = False) -> None:
        """Not parked, whatever the loop does, until `release` of the same reason.

        `is_work`: because code of the attempt runs somewhere.
        """
        with self._lock:
            (self._work if is_work else self._holds).add(reason)
            self._tell()

    def release(self, reason: object) -> None:
        with self._lock:
            self._holds.discard(reason)
            self._work.discard(reason)
            self._tell()

    def is_held_by(self, reason: object) -> bool:
        """Whether `reason` still matters to the clock."""
        with self._lock:
            return reason in self._holds | self._work and not self.finished

    def let_rest(self, work: object) -> None:
        """What is held as work waits for virtual time, until it `rests_no_more`."""
        with self._lock:
            self._resting.add(work)
            self._tell()

    def rests_no_more(self, work: object) -> None:
        with self._lock:
            self._resting.discard(work)
            self._tell()

    def let_pass(self, step: object) -> None:
        """Time may pass until `has_passed` of the same step, even if the attempt really works."""
        with self._lock:
            self._steps.add(step)
            self._tell()

    def has_passed(self, step: object) -> None:
        with self._lock:
            self._steps.discard(step)
            self._tell()

    def block_loop(self, blocked: bool) -> None:
        """The loop's own thread enters or leaves a virtual `time.sleep`."""
        with self._lock:
            self._loop_blocked = blocked
            self._tell()

    def working_on(self) -> str | None:
        """What holds the clock, in words; None while parked."""
        with self._lock:
            if self._told:
                return None
            if holds := self._holds | self._work:
                return ", ".join(sorted({str(reason) for reason in holds}))
            return "its code is running" if self._check_queued else self.waits.describe()

    def _tell(self) -> None:
        """Tell the listener if it knows otherwise. Called with the lock held."""
        if self._telling:  # from a finalizer that ran inside the loop below, which will see to it
            return
        self._telling = True
        try:
            while self._told is not (parked := self._is_parked()) and not self.finished:
                self._told = parked
                self._listener.attempt_parked(
                    self.running, parked, blocks_loop=parked and self._loop_blocked
                )
        finally:
            self._telling = False

    def _is_parked(self) -> bool:
        if self._loop_blocked:
            return True
        is_at_rest = self._quiet and self._work <= self._resting
        return (is_at_rest or bool(self._steps)) and not self._holds


current_attempt: ContextVar[Attempt | None] = ContextVar("timeskip_current_attempt", default=None)
"""The attempt whose code is running; also set in what that code leaves behind when it ends."""
