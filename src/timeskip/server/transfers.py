"""What a change of one run causes in others, done once the change is complete.

On the real server these are the tasks of the transfer queue, which may overtake each other. Here
they are carried out in the order in which they came up, one of those that the real server shows.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable

from timeskip.server.errors import HistoryLimitExceeded


class Transfers:
    """Actions that wait until the call or the due time that caused them has been dealt with."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    @property
    def wait(self) -> bool:
        """Whether there is anything to be done."""
        return bool(self._waiting)

    def add(self, action: Callable[[], None]) -> None:
        self._waiting.append(action)

    def carry_out(self) -> None:
        """Do all that waits, and all that comes up meanwhile. Nobody is told of a run's last change."""
        while self._waiting:
            with contextlib.suppress(HistoryLimitExceeded):
                self._waiting.popleft()()
