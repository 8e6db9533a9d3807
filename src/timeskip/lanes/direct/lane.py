"""The direct lane: service, clients and workers on one event loop, with nothing in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

from timeskip.clock import Clock, VirtualClock
from timeskip.lanes.direct.loop import LateLoop
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.server.service import Service

Result = TypeVar("Result")


class DirectLane:
    """A service that lives on the event loop of the first client or worker that uses it.

    Everything happens on that loop, one thing after the other, so one seed gives one history.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        seed: int = 0,
        namespaces: Iterable[str] = ("default",),
    ) -> None:
        self.clock = clock if clock is not None else VirtualClock()
        self.service = Service(self.clock, seed=seed, namespaces=namespaces)
        self._late = LateLoop()
        self.keeper = TimeKeeper(self.service, self.clock, self._late)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._late

    def start(self) -> None:
        """Nothing to start: the loop is the user's."""

    def stop(self) -> None:
        """Nobody is served any more."""
        self._late.close()

    def bind(self) -> None:
        """Live on the running loop, if there is no other yet."""
        self._late.bind(asyncio.get_running_loop())

    def call(self, function: Callable[[], Result]) -> Result:
        """Run `function` where service and clock may be touched."""
        return function()
