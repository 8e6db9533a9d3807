"""Events of the SDK's for which the threads of activities wait in virtual time.

`activity.wait_for_cancelled_sync` and `activity.wait_for_worker_shutdown_sync` wait for such an event.
Nothing but the worker sets it, so that an activity that waits for it does no real work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from timeskip.activity_time.attempt import current_attempt
from timeskip.activity_time.thread_sleep import ThreadPause, nanoseconds


class AwaitedEvent(threading.Event):
    """What is set from outside of the activity."""

    def __init__(self) -> None:
        super().__init__()
        #: Called when it has been set, and before anybody waits no longer.
        self.on_set: Callable[[], None] | None = None
        self._pauses: dict[ThreadPause, None] = {}

    def set(self) -> None:
        super().set()
        if self.on_set is not None:
            self.on_set()
        for pause in list(self._pauses):
            pause.fall_due()

    def wait(self, timeout: float | None = None) -> bool:
        attempt = current_attempt.get()
        if attempt is None or attempt.clock.closed or self.is_set():
            return super().wait(timeout)
        delay_ns = None if timeout is None else nanoseconds(timeout)
        if delay_ns is not None and delay_ns <= 0:
            return self.is_set()
        pause = ThreadPause(attempt)
        self._pauses[pause] = None
        try:
            pause.last(delay_ns, is_over=self.is_set)
        finally:
            del self._pauses[pause]
        return self.is_set()
