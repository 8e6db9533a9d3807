"""Tasks for the code of activities that do not come from the core of its worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from temporalio.bridge.proto.activity_task import (
    ActivityCancellationDetails,
    ActivityCancelReason,
    ActivityTask,
    Cancel,
)


class OwnTasks:
    """Goes before the tasks that `poll` gets from the core. For one event loop."""

    def __init__(self, poll: Callable[[], Awaitable[ActivityTask]]) -> None:
        self._poll = poll
        self._polling: asyncio.Future[ActivityTask] | None = None
        self._own: asyncio.Queue[ActivityTask] = asyncio.Queue()

    @property
    def is_empty(self) -> bool:
        """Whether the code has been given all of them."""
        return self._own.empty()

    def put(self, task: ActivityTask) -> None:
        """The next task but those that were put before."""
        self._own.put_nowait(task)

    async def next_task(self) -> ActivityTask:
        """One of these tasks, or one from the core."""
        # The core's task would be lost if its poll were given up.
        if self._polling is None:
            self._polling = asyncio.ensure_future(self._task_of_core())
        own = asyncio.ensure_future(self._own.get())
        try:
            await asyncio.wait({self._polling, own}, return_when=asyncio.FIRST_COMPLETED)
            if own.done():
                return own.result()
            polling, self._polling = self._polling, None
            return polling.result()
        finally:
            own.cancel()

    async def _task_of_core(self) -> ActivityTask:
        # Not the core's own coroutine: that this one waits is known to be no news for a test.
        return await self._poll()


def timed_out(token: bytes) -> ActivityTask:
    """What a core says to an activity that has run out of time."""
    return ActivityTask(
        task_token=token,
        cancel=Cancel(
            reason=ActivityCancelReason.TIMED_OUT,
            details=ActivityCancellationDetails(is_not_found=True, is_timed_out=True),
        ),
    )
