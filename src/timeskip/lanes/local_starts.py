"""Local activities that a worker is about to begin, and that may have to wait for a verdict first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto import ActivityTaskCompletion
from temporalio.bridge.proto.activity_task import ActivityTask


class LocalStarts:
    """Has local activities come by before their code begins, while other tasks go ahead of them.

    `poll` gets the next task from the core, `come_by` returns when a local activity may go on, with
    a failure if it has failed instead. `drop` is told of one that is not begun any more.
    """

    def __init__(
        self,
        poll: Callable[[], Awaitable[ActivityTask]],
        come_by: Callable[[ActivityTask], Awaitable[Failure | None]],
        drop: Callable[[ActivityTask], Awaitable[None]],
    ) -> None:
        self._poll = poll
        self._come_by = come_by
        self._drop = drop
        self._coming: dict[asyncio.Future[Failure | None], ActivityTask] = {}
        self._polling: asyncio.Future[ActivityTask] | None = None

    async def next_task(self) -> tuple[ActivityTask, Failure | None]:
        """The next task for the activities' code, or a local activity that has failed."""
        while True:
            is_waited_for = self._coming or self._polling is not None
            task = await self._polled() if is_waited_for else await self._poll()
            if task is None:
                for coming, begun in self._coming.items():
                    if coming.done():
                        del self._coming[coming]
                        return begun, coming.result()
            elif _is_local(task):
                self._coming[asyncio.ensure_future(self._come_by(task))] = task
            elif not (task.HasField("cancel") and await self._has_dropped(task.task_token)):
                return task, None

    async def _polled(self) -> ActivityTask | None:
        """The next task; None if a local activity is ready before that."""
        # The core's task would be lost if its poll were given up.
        polling = self._polling = self._polling or asyncio.ensure_future(self._poll())
        either: set[asyncio.Future[Any]] = {polling, *self._coming}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if polling.done() and (polling.exception() is None or not self._coming):
            # Before what is ready: a local activity that is told to stop is not begun.
            self._polling = None
            return polling.result()
        if polling.done():
            # There will be no other tasks, but these are still expected to end.
            await asyncio.wait(self._coming, return_when=asyncio.FIRST_COMPLETED)
        return None

    async def _has_dropped(self, token: bytes) -> bool:
        """Whether a local activity is told to stop whose code has not begun."""
        for coming, task in self._coming.items():
            if task.task_token == token:
                del self._coming[coming]
                coming.cancel()
                await self._drop(task)
                return True
        return False


def _is_local(task: ActivityTask) -> bool:
    return task.HasField("start") and task.start.is_local


def cancelled_activity(token: bytes) -> ActivityTaskCompletion:
    """What the core is told of an activity that was told to stop, and has."""
    completion = ActivityTaskCompletion(task_token=token)
    failure = completion.result.cancelled.failure
    failure.message = "Cancelled"
    failure.canceled_failure_info.SetInParent()
    return completion
