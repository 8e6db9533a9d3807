"""What the activities of this process are doing, as far as time is concerned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context

from timeskip.activity_time.virtual_time import RunningAttempt
from timeskip.clock import Clock, DueTime, Nanoseconds
from timeskip.lanes.time_keeper import TimeKeeper


class ScheduledCallback:
    """A callback at a virtual instant that may be cancelled from any thread."""

    def __init__(self) -> None:
        self._cancelled = False
        self.due: DueTime | None = None

    def cancel(self) -> None:
        self._cancelled = True
        if self.due is not None:
            self.due.cancel()

    @property
    def cancelled(self) -> bool:
        return self._cancelled


class SimulatedTime:
    """The simulation's clock for activities; implements `activity_time.VirtualTime`."""

    def __init__(self, keeper: TimeKeeper, clock: Clock) -> None:
        self._keeper = keeper
        self._clock = clock

    def now_ns(self) -> Nanoseconds:
        return self._clock.now()

    def call_at(self, due_ns: Nanoseconds, callback: Callable[[], None]) -> ScheduledCallback:
        scheduled = ScheduledCallback()
        # The attempt that asks counts as parked once it is blocked; only then may time move, and by
        # then the callback must stand in the queue. The hold covers the way there, even if it is an
        # event loop that is blocked.
        hold = self._keeper.holds.take("a virtual sleep begins", is_firm=True)

        def schedule() -> None:
            if not scheduled.cancelled:
                scheduled.due = self._clock.schedule(due_ns, callback, in_order=True)
            hold.release()

        if threading.get_ident() == self._keeper.thread_id:
            schedule()
        else:
            self._keeper.loop.call_soon_threadsafe(schedule)
        return scheduled

    def hold(self) -> Callable[[], None]:
        return self._keeper.holds.take("what an activity has left behind goes on").release

    def pass_until(self, woken: threading.Event) -> None:
        if threading.get_ident() == self._keeper.thread_id:
            # Whatever falls due is not the business of the activity that sleeps.
            Context().run(self._keeper.pass_blocked_until, woken)
        woken.wait()


class Attempts:
    """Listens to activities and tells the time keeper which of them are parked.

    Implements `activity_time.AttemptListener`; its methods are called from any thread.
    """

    def __init__(self, keeper: TimeKeeper) -> None:
        self._keeper = keeper
        self._lock = threading.Lock()
        self._blocking: set[RunningAttempt] = set()

    def attempt_started(self, attempt: RunningAttempt) -> None:
        if attempt.is_local:
            self._set_local(attempt, parked=False)

    def attempt_parked(
        self, attempt: RunningAttempt, parked: bool, *, blocks_loop: bool = False
    ) -> None:
        if attempt.is_local:
            self._set_local(attempt, parked=parked)
        elif parked:
            self._keeper.parked.add(attempt.token)
        else:
            self._keeper.parked.discard(attempt.token)
        self._set_blocking(attempt, parked and blocks_loop)
        self._keeper.notice()

    def attempt_finished(
        self, attempt: RunningAttempt, *, outcome_follows: bool, is_left_open: bool
    ) -> None:
        if attempt.is_local:
            self._keeper.local_waits.finished(attempt.workflow_run_id or "", attempt.token)
        elif outcome_follows:
            self._keeper.parked.discard(attempt.token)
        else:
            # Something else completes it, some time, if anything; the worker is done with it.
            if is_left_open:
                # Before time may move, which is up to another thread.
                self._keeper.completers.left_open.add(attempt.token)
            self._keeper.parked.add(attempt.token)
        self._set_blocking(attempt, False)
        self._keeper.notice()

    def _set_local(self, attempt: RunningAttempt, *, parked: bool) -> None:
        run_id = attempt.workflow_run_id or ""
        self._keeper.local_waits.attempt(run_id, attempt.token, waits=parked)

    def _set_blocking(self, attempt: RunningAttempt, blocking: bool) -> None:
        if blocking == (attempt in self._blocking):
            return
        with self._lock:
            (self._blocking.add if blocking else self._blocking.discard)(attempt)
            self._keeper.blocked_loops = len(self._blocking)
