"""What a fault needs of whoever runs workers, to do something to one of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol


class Killer(Protocol):
    """Has some workers in its power. A worker is what calls itself by one identity.

    All methods are called where the simulation's clock runs.
    """

    def workers(self) -> list[str]:
        """The identities of the workers that live, the oldest first."""
        ...

    def kill(
        self, identity: str, restart_after: timedelta | None, done: Callable[[], None]
    ) -> None:
        """Kill a worker, and replace it after so much virtual time, or not if None.

        When this returns, the worker's code must not do anything any more that could be seen from
        outside, as far as that can be had; nothing that it sends reaches the service until `done`
        is called. That is due, on any thread, when nothing is left of it, and, if it is to be
        replaced at once, its replacement has begun.
        """
        ...

    def stop(self, identity: str) -> bool:
        """Have nothing of a worker run until `go_on`. False if that is not in its power."""
        ...

    def go_on(self, identity: str) -> None:
        """Let a worker run again that was stopped, if it still lives."""
        ...

    def terminate(
        self, identity: str, restart_after: timedelta | None, done: Callable[[], None]
    ) -> None:
        """Have a worker shut down, and replace it so much virtual time after its end, or not.

        `done` is due, on any thread, when it has ended, before its replacement begins.
        """
        ...

    def evict(self, identity: str, run_id: str) -> None:
        """Have a worker forget a workflow that it has cached, as soon as it does not work on it."""
        ...
