"""What a call that runs in another process for an attempt asks of this one, and its end of the line."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from temporalio.worker import SharedHeartbeatSender


@dataclass(frozen=True)
class Pause:
    """Answer when so many virtual nanoseconds have passed, or the event with that number is set.

    `heartbeats`: how many the call has sent before, which are on another way.
    """

    delay_ns: int | None
    event: int | None
    heartbeats: int


@dataclass(frozen=True)
class PauseOver:
    """The answer. `error` is to be raised by the call."""

    error: BaseException | None = None


class Line:
    """The line of the call that runs in this process."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.heartbeats = 0

    def sleep(self, delay_ns: int) -> None:
        """Return when so much virtual time has passed."""
        self.pause(delay_ns, None)

    def pause(self, delay_ns: int | None, event: int | None) -> None:
        """Wait for the time, or for the event that has that number, whatever comes first.

        Raises what the call's thread would get in the other process. `EOFError` or `OSError` if that
        is gone.
        """
        with self._lock:
            self._connection.send(Pause(delay_ns, event, self.heartbeats))
            over: PauseOver = self._connection.recv()
        if over.error is not None:
            raise over.error

    def close(self) -> None:
        self._connection.close()


open_line: ContextVar[Line | None] = ContextVar("timeskip_open_line", default=None)
"""The line of the call that is running, if this process runs it for another one's attempt."""


class CountedHeartbeats(SharedHeartbeatSender):
    """A sender of the user's, in the process of the call."""

    def __init__(self, sender: SharedHeartbeatSender) -> None:
        self._sender = sender

    def send_heartbeat(self, task_token: bytes, *details: Any) -> None:
        self._sender.send_heartbeat(task_token, *details)
        line = open_line.get()
        if line is not None:
            line.heartbeats += 1


class EventElsewhere(threading.Event):
    """An event of the process that the call is from, by the number that it has there.

    `shared` is what the user's `SharedStateManager` made for both of them.
    """

    def __init__(self, number: int, shared: threading.Event) -> None:
        super().__init__()
        self._number = number
        self._shared = shared

    def is_set(self) -> bool:
        return self._shared.is_set()

    def set(self) -> None:
        self._shared.set()

    def clear(self) -> None:
        self._shared.clear()

    def wait(self, timeout: float | None = None) -> bool:
        line = open_line.get()
        if line is None or self.is_set():
            return self._shared.wait(timeout)
        line.pause(None if timeout is None else max(round(timeout * 1e9), 0), self._number)
        return self.is_set()
