"""What a worker shares with its activities in other processes: events, and the way of their heartbeats."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

from temporalio.worker import SharedHeartbeatSender, SharedStateManager

from timeskip.activity_time.attempt import current_attempt
from timeskip.activity_time.awaited_events import AwaitedEvent
from timeskip.activity_time.process_line import CountedHeartbeats, EventElsewhere
from timeskip.activity_time.threads import Job

#: Real seconds within which a heartbeat should have come from the other process.
_LONGEST_WAY = 10.0


class WatchedSharedState(SharedStateManager):
    """The user's own, but that it is known what goes to and fro."""

    def __init__(self, manager: SharedStateManager) -> None:
        super().__init__()
        self._manager = manager

    def new_event(self) -> threading.Event:
        return SharedEvent(self._manager.new_event())

    async def register_heartbeater(
        self, task_token: bytes, heartbeat: Callable[..., None]
    ) -> SharedHeartbeatSender:
        heard = HeardHeartbeats(heartbeat)
        sender = await self._manager.register_heartbeater(task_token, heard.heartbeat)
        return SentHeartbeats(sender, heard)

    async def unregister_heartbeater(self, task_token: bytes) -> None:
        attempt = current_attempt.get()
        if attempt is None:
            await self._manager.unregister_heartbeater(task_token)
            return
        # The SDK waits for an event of its loop, as if for something within the process, but a
        # thread sets it.
        flushing = Job(attempt)
        flushing.awake()
        try:
            await self._manager.unregister_heartbeater(task_token)
        finally:
            flushing.asleep()


class SharedEvent(AwaitedEvent):
    """An event that is set in this process and seen in others."""

    _numbers = itertools.count(1)

    def __init__(self, shared: threading.Event) -> None:
        super().__init__()
        self.number = next(self._numbers)
        self._shared = shared

    def set(self) -> None:
        self._shared.set()
        super().set()

    def __reduce__(self) -> tuple[Any, ...]:
        return EventElsewhere, (self.number, self._shared)


class HeardHeartbeats:
    """Counts the heartbeats of an attempt that have come from another process."""

    def __init__(self, heartbeat: Callable[..., None]) -> None:
        self._heartbeat = heartbeat
        self._count = 0
        self._changed = threading.Condition()

    def heartbeat(self, *details: Any) -> None:
        """One has come. For a thread of the SDK's."""
        try:
            self._heartbeat(*details)
        finally:
            with self._changed:
                self._count += 1
                self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until so many have come. For a thread that stands in for the other process."""
        with self._changed:
            self._changed.wait_for(lambda: self._count >= count, _LONGEST_WAY)


class SentHeartbeats(SharedHeartbeatSender):
    """A sender of the user's that goes to another process, and what is heard of it in this one."""

    def __init__(self, sender: SharedHeartbeatSender, heard: HeardHeartbeats) -> None:
        self._sender = sender
        self.heard = heard

    def send_heartbeat(self, task_token: bytes, *details: Any) -> None:
        self._sender.send_heartbeat(task_token, *details)

    def __reduce__(self) -> tuple[Any, ...]:
        return CountedHeartbeats, (self._sender,)
