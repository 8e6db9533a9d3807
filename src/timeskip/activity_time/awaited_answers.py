"""Calls to the service that the threads of an attempt wait for, and that may take virtual time.

A thread of a sync activity may ask the client for something and wait for the answer: on an event loop
of its own (`asyncio.run`), or for a coroutine that it has handed to another. While the service lets the
answer wait for time, threads of the attempt that wait for a lock, or whose event loop has nothing to do,
do no work.
"""

from __future__ import annotations

import sys
import threading

from timeskip.activity_time.attempt import Attempt
from timeskip.activity_time.threads import jobs_of

#: Real seconds between two looks at what the threads do.
_LOOK_AGAIN = 0.01

#: Where a thread is that waits for another, or for something to do: the functions by their modules.
_WAITS = {"threading": {"wait", "join"}, "selectors": {"select"}}


class AwaitedAnswer:
    """The answer to one call. For any thread."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._lock = threading.Lock()
        self._takes_time = False
        self._resting: set[object] = set()

    def park(self) -> None:
        """The answer waits for time."""
        if jobs_of(self._attempt):
            self._takes_time = True
            self._attempt.loop.call_soon_threadsafe(self._look)

    def resume(self) -> None:
        """It does so no longer: what the threads do next is work."""
        with self._lock:
            self._takes_time = False
            for job in self._resting:
                self._attempt.rests_no_more(job)

    def _look(self) -> None:
        with self._lock:
            if not self._takes_time or self._attempt.finished:
                return
            for thread_id, job in jobs_of(self._attempt).items():
                if _waits(thread_id):
                    self._resting.add(job)
                    self._attempt.let_rest(job)
                else:
                    self._attempt.rests_no_more(job)
        self._attempt.loop.call_later(_LOOK_AGAIN, self._look)


def _waits(thread_id: int) -> bool:
    frame = sys._current_frames().get(thread_id)
    if frame is None:
        return False
    return frame.f_code.co_name in _WAITS.get(str(frame.f_globals.get("__name__")), ())
