"""The connection of a worker process with the simulation, beside gRPC."""

from __future__ import annotations

import threading
from multiprocessing.connection import Connection
from typing import Any


class Channel:
    """Messages in both directions, each in the order in which it was sent. For any thread."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, message: object) -> None:
        """Send a message, of `timeskip.processes.messages`. Nobody hears it if the other is gone."""
        with self._sending:
            try:
                self._connection.send(message)
            except OSError:
                return

    def receive(self) -> object | None:
        """The next message; None once the other side has gone. For one thread only."""
        try:
            message: object = self._connection.recv()
        except (EOFError, OSError):
            return None
        return message

    def close(self) -> None:
        self._connection.close()
