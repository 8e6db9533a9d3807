"""An event loop on a thread of its own, for code that has none."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

from timeskip.lanes.interruption import tasks_of_threads
from timeskip.lanes.news import awaited

Result = TypeVar("Result")

#: Real seconds between two looks whether the loop is blocked.
_LOOK_AGAIN = 0.1


class Portal:
    """Runs coroutines for synchronous code, all on one loop.

    `block_of` tells why nothing more is to be expected of the loop in a thread, or None.
    """

    def __init__(self, block_of: Callable[[int], Exception | None]) -> None:
        self._block_of = block_of
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self.loop.run_forever, name="timeskip-portal", daemon=True
        )
        self._thread.start()

    def run(self, awaitable: Awaitable[Result]) -> Result:
        """The result of `awaitable`. Blocks; not for the portal's own loop.

        Raises why the loop is blocked, if it is for so long that nobody waits for it any more.
        """

        async def until_done() -> Result:
            task = asyncio.current_task()
            assert task is not None
            tasks_of_threads.add(task)
            # The caller goes on by itself as soon as this has ended.
            with awaited(self.loop):
                return await awaitable

        future = asyncio.run_coroutine_threadsafe(until_done(), self.loop)
        try:
            while not concurrent.futures.wait([future], _LOOK_AGAIN).done:
                if self.block is not None:
                    raise self.block
            return future.result()
        except BaseException:
            future.cancel()
            raise

    @property
    def block(self) -> Exception | None:
        """Why nobody waits for its loop any more, if that is blocked."""
        return self._block_of(self._thread.ident or 0)

    def stop(self) -> None:
        """Cancel what still runs and leave no thread behind."""
        self.run(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()
