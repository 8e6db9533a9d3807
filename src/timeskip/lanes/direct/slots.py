"""How many tasks a worker works on at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Info = TypeVar("Info")


class Permit(Generic[Info]):
    """Leave to work on one task. Released once, whether it was used or not."""

    def use(self, info: Callable[[], Info]) -> None:
        """It is this task that is worked on. `info` tells about it, to those who want to know."""

    def release(self) -> None:
        """The task is done."""


class Slots(ABC, Generic[Info]):
    """Where permits come from. `sticky`: the permit is for a poll of the worker's own queue."""

    @abstractmethod
    def try_reserve(self, *, sticky: bool = False) -> Permit[Info] | None:
        """A permit, if there is one at once."""

    @abstractmethod
    def reserve(
        self, take: Callable[[Permit[Info]], None], *, sticky: bool = False
    ) -> Callable[[], None]:
        """Call `take` with a permit as soon as there is one. The answer takes the wish back."""


class FixedSlots(Slots[Info]):
    """So many at a time. Whoever waits longest is next."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: deque[Callable[[Permit[Info]], None]] = deque()

    def try_reserve(self, *, sticky: bool = False) -> Permit[Info] | None:
        if self._free == 0:
            return None
        self._free -= 1
        return _FixedPermit(self._released)

    def reserve(
        self, take: Callable[[Permit[Info]], None], *, sticky: bool = False
    ) -> Callable[[], None]:
        permit = self.try_reserve()
        if permit is not None:
            take(permit)
            return _nothing
        self._waiting.append(take)

        def take_back() -> None:
            if take in self._waiting:
                self._waiting.remove(take)

        return take_back

    def _released(self) -> None:
        self._free += 1
        if self._waiting:
            take = self._waiting.popleft()
            permit = self.try_reserve()
            assert permit is not None
            take(permit)


class _FixedPermit(Permit[Info]):
    def __init__(self, released: Callable[[], None]) -> None:
        self._released: Callable[[], None] | None = released

    def release(self) -> None:
        released, self._released = self._released, None
        if released is not None:
            released()


def _nothing() -> None:
    """There is nothing to take back."""
