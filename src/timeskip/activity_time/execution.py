"""User code that a worker runs on virtual time: an attempt, of an activity with all that belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import temporalio.activity
from temporalio.activity import ActivityCancellationDetails

from timeskip.activity_time.attempt import Attempt, current_attempt
from timeskip.activity_time.cancellation import (
    await_shutdown_in_virtual_time,
    tell_cancellation,
)
from timeskip.activity_time.heartbeats import HeartbeatRelay
from timeskip.activity_time.local_timeouts import LocalTimeouts
from timeskip.activity_time.machine_pace import MachinePace
from timeskip.activity_time.thread_sleep import interrupt_sleeps

_CANCELLATION_COMES = "its cancellation is on the way from the server to the worker"


class Execution:
    """A context manager around user code; made in its context, on its event loop."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        #: Called on the event loop when the code has ended.
        self.on_end: list[Callable[[], None]] = []

    def __enter__(self) -> None:
        current_attempt.set(self.attempt)
        self.attempt.start()

    def __exit__(self, *_: object) -> None:
        # Another context runs this if the coroutine is thrown away with its event loop.
        if current_attempt.get() is self.attempt:
            current_attempt.set(None)

    def finish(self, *, outcome_follows: bool) -> None:
        self.attempt.finish(outcome_follows=outcome_follows)

    def cancel(self, reason: str) -> None:
        """Cancel the task that runs the code. For any thread."""
        root = self.attempt.waits.root
        if root is not None:
            self.attempt.bring(lambda: root.cancel(reason))


class ActivityExecution(Execution):
    """The same for the code of an activity."""

    def __init__(
        self,
        attempt: Attempt,
        send_heartbeat: Callable[..., None],
        heartbeat_timeout: timedelta | None,
    ) -> None:
        super().__init__(attempt)
        self._pace = MachinePace(attempt, heartbeat_timeout)
        self._timeouts: LocalTimeouts | None = None
        self._heartbeats = HeartbeatRelay(attempt, send_heartbeat)
        self._cancellation = tell_cancellation(self._cancelled)
        await_shutdown_in_virtual_time(temporalio.activity._Context.current().worker_shutdown_event)

    def __exit__(self, *_: object) -> None:
        self._heartbeats.flush()
        super().__exit__()

    def keep_timeouts(
        self,
        start_to_close: timedelta | None,
        heartbeat: timedelta | None,
        time_out: Callable[[bytes], None],
    ) -> None:
        """Have `time_out` called with its token once it has run out of time, unless it is cancelled."""

        def tell() -> None:
            cancellation = self._cancellation
            if cancellation is None or not cancellation.is_set():
                self.cancellation_comes()
                time_out(self.attempt.running.token)

        self._timeouts = LocalTimeouts(self.attempt, start_to_close, heartbeat, tell)

    def finish(self, *, outcome_follows: bool) -> None:
        if self._timeouts is not None:
            self._timeouts.stop()
        super().finish(outcome_follows=outcome_follows)
        # It knows this: together they would be left to the garbage collector.
        self._cancellation = None

    def heartbeat(self, *details: Any) -> None:
        if not self.attempt.killed:
            self._heartbeats.heartbeat(*details)
            self._pace.heartbeat()

    def heartbeat_answered(self, *, cancels: bool) -> None:
        """The server has answered a heartbeat. For any thread.

        `cancels`: the answer makes the worker cancel the activity.
        """
        if cancels:
            self.cancellation_comes()
        if self._timeouts is not None:
            self._timeouts.heartbeat_answered()
        self._heartbeats.answered()

    def cancellation_comes(self) -> None:
        """The worker will cancel the activity: it holds the clock until then. For any thread."""
        cancellation = self._cancellation
        if cancellation is not None:
            self.attempt.hold(_CANCELLATION_COMES)
            if cancellation.is_set():
                self.attempt.release(_CANCELLATION_COMES)

    def heartbeat_is_late(self) -> None:
        """The answer to a heartbeat takes virtual time. For any thread."""
        self._heartbeats.is_late()

    def _cancelled(self, details: ActivityCancellationDetails) -> None:
        self.attempt.stir()
        self.attempt.release(_CANCELLATION_COMES)
        self._heartbeats.give_up()
        if details.worker_shutdown:
            # Later, because the SDK interrupts the thread, if at all, after this.
            self.attempt.loop.call_soon(self._interrupt_sleeps)
        self.attempt.check_soon()

    def _interrupt_sleeps(self) -> None:
        interrupt_sleeps(self.attempt, "its worker was shut down while it slept")
