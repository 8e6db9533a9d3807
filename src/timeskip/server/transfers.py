"""What a change of one run causes in others, done once the change is complete.

On the real server these are the tasks of the transfer queue, which may overtake each other. Here
they are carried out in the order in which they came up, one of those that the real server shows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Transfers:
    """Actions that wait until the call or the due time that caused them has been dealt with."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def add(self, action: Callable[[], None]) -> None:
        self._waiting.append(action)

    def carry_out(self) -> None:
        """Do all that waits, and all that comes up meanwhile."""
        while self._waiting:
            self._waiting.popleft()()
