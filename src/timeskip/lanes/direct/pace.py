"""How fast a worker may ask for tasks."""

from __future__ import annotations

from collections.abc import Callable

from timeskip.clock import SECOND, DueTime
from timeskip.lanes.direct.requests import Requests


class Pace:
    """At most so many polls in a second of virtual time, evenly spaced."""

    def __init__(self, requests: Requests, polls_per_second: float) -> None:
        self._requests = requests
        self._interval = int(SECOND / polls_per_second)
        self._next = requests.now()

    def wait(self, go: Callable[[], None]) -> DueTime | None:
        """Call `go` when the next poll may be made: at once, or at the answer's time."""
        now = self._requests.now()
        at = max(self._next, now)
        self._next = at + self._interval
        if at > now:
            return self._requests.at(at, go)
        go()
        return None
