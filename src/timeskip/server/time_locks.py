"""Locks by which clients keep time from jumping."""

from __future__ import annotations

from collections.abc import Callable

from timeskip.server.errors import ServiceError, StatusCode

#: How many there are when the first client locks or unlocks: test servers are started locked.
_INITIAL_LOCKS = 1


class TimeLocks:
    """Counts the locks on time, from the moment at which a client first locks or unlocks.

    Set `on_change` to be told of every change.
    """

    def __init__(self) -> None:
        self._count: int | None = None
        self.on_change: Callable[[], None] | None = None

    @property
    def hold_time(self) -> bool:
        """Whether there is a lock."""
        return bool(self._count)

    @property
    def are_all_gone(self) -> bool:
        """Whether clients have taken every lock away, and so want time to jump."""
        return self._count == 0

    def begin(self, count: int) -> None:
        """Count from now on, beginning with so many locks, instead of waiting for a client."""
        self._set(count)

    def add(self) -> None:
        """Lock time once more."""
        self._set((_INITIAL_LOCKS if self._count is None else self._count) + 1)

    def remove(self) -> None:
        """Take a lock away. Refused if there is none, with the status of the Java test server."""
        count = _INITIAL_LOCKS if self._count is None else self._count
        if count == 0:
            raise ServiceError(
                StatusCode.UNKNOWN, "time skipping was unlocked more often than it was locked"
            )
        self._set(count - 1)

    def _set(self, count: int) -> None:
        self._count = count
        if self.on_change is not None:
            self.on_change()
