"""An event loop on a thread of its own, for code that has none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import TypeVar

from timeskip.lanes.interruption import tasks_of_threads
from timeskip.lanes.news import awaited

Result = TypeVar("Result")


class Portal:
    """Runs coroutines for synchronous code, all on one loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self.loop.run_forever, name="timeskip-portal", daemon=True
        )
        self._thread.start()

    def run(self, awaitable: Awaitable[Result]) -> Result:
        """The result of `awaitable`. Blocks; not for the portal's own loop."""

        async def until_done() -> Result:
            task = asyncio.current_task()
            assert task is not None
            tasks_of_threads.add(task)
            # The caller goes on by itself as soon as this has ended.
            with awaited(self.loop):
                return await awaitable

        future = asyncio.run_coroutine_threadsafe(until_done(), self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

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
