"""How many tasks of a queue workers want in a second, and when the next one may be given out.

As a real server does whose task queues have one partition: with more, each of them keeps to the rate
by itself. Tasks that nobody can be given any more do not count here, nor does the look that the real
server takes now and then at a task for which nobody polls.
"""

from __future__ import annotations

from temporalio.api.enums.v1 import RateLimitSource

from timeskip.clock import SECOND, Nanoseconds

#: What the dev server allows each queue.
SYSTEM_RATE = 4_000.0

#: Rates up to this one count as none.
_NO_RATE = 1e-9

#: How much of the past may be made up for at once.
_BURST: Nanoseconds = SECOND


class DispatchRate:
    """The rate of one queue. The last poll's word holds; without one it is the system's rate."""

    __slots__ = ("_burst", "_interval", "_ready", "per_second", "source")

    def __init__(self) -> None:
        #: Tasks a second.
        self.per_second = SYSTEM_RATE
        #: Who has set it.
        self.source = RateLimitSource.RATE_LIMIT_SOURCE_SYSTEM
        # Nothing is counted before a worker asks for a rate.
        self._burst: Nanoseconds = 0
        self._interval: Nanoseconds = 0
        #: When the next task may be given out; None: never.
        self._ready: Nanoseconds | None = 0

    @property
    def ready(self) -> Nanoseconds | None:
        """When the next task may be given out, in nanoseconds; None: not at this rate."""
        return self._ready

    def ask(self, per_second: float | None, now: Nanoseconds) -> None:
        """A worker polls and wants so many tasks a second, or says nothing of it."""
        before = self.per_second
        if per_second is not None and per_second < SYSTEM_RATE:
            self.per_second = per_second
            self.source = RateLimitSource.RATE_LIMIT_SOURCE_WORKER
        else:
            self.per_second = SYSTEM_RATE
            self.source = RateLimitSource.RATE_LIMIT_SOURCE_SYSTEM
        if self.per_second == before:
            return
        if self.per_second <= _NO_RATE:
            self._ready = None
            return
        self._burst = _BURST
        self._interval = int(SECOND / self.per_second)
        # What a lower rate has put far off comes nearer.
        latest = now + self._interval + self._burst
        self._ready = latest if self._ready is None else min(self._ready, latest)

    def allows(self, now: Nanoseconds) -> bool:
        """Whether a task may be given out now."""
        return self._ready is not None and self._ready <= now

    def spend(self, now: Nanoseconds) -> None:
        """A task is given out."""
        assert self._ready is not None
        self._ready = max(now - self._burst, self._ready) + self._interval
