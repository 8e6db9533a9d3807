"""What waits for a worker's Python half until that asks for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Mailbox(Generic[Thing]):
    """Things in order, for one coroutine at a time. Unlike a queue of asyncio's, it may move with
    its simulation from one event loop to the next.
    """

    def __init__(self) -> None:
        self._things: deque[Thing] = deque()
        self._taker: asyncio.Future[None] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether whoever asks now has to wait."""
        return not self._things

    def put(self, thing: Thing) -> None:
        """Add something. For the simulation's own loop."""
        self._things.append(thing)
        if self._taker is not None and not self._taker.done():
            # Whose loop is closed does not take it any more; another may.
            with contextlib.suppress(RuntimeError):
                self._taker.set_result(None)

    async def take(self) -> Thing:
        """The first thing that nobody has taken yet."""
        while not self._things:
            self._taker = asyncio.get_running_loop().create_future()
            await self._taker
        return self._things.popleft()
