"""What the SDK does in threads for an activity in another process, so that its heartbeats get through."""

from __future__ import annotations

import threading
from collections.abc import Callable

from temporalio.worker import SharedHeartbeatSender, SharedStateManager

from timeskip.activity_time.attempt import current_attempt
from timeskip.activity_time.threads import Job


class WatchedSharedState(SharedStateManager):
    """The user's own, but that time stands still while an activity waits for its last heartbeats.

    It waits for an event of its loop, as if for something within the process, but a thread sets it.
    """

    def __init__(self, manager: SharedStateManager) -> None:
        super().__init__()
        self._manager = manager

    def new_event(self) -> threading.Event:
        return self._manager.new_event()

    async def register_heartbeater(
        self, task_token: bytes, heartbeat: Callable[..., None]
    ) -> SharedHeartbeatSender:
        return await self._manager.register_heartbeater(task_token, heartbeat)

    async def unregister_heartbeater(self, task_token: bytes) -> None:
        attempt = current_attempt.get()
        if attempt is None:
            await self._manager.unregister_heartbeater(task_token)
            return
        flushing = Job(attempt)
        flushing.awake()
        try:
            await self._manager.unregister_heartbeater(task_token)
        finally:
            flushing.asleep()
