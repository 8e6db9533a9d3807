"""What becomes of the heartbeats of activities, for whoever runs these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from google.protobuf.message import Message
from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatRequest,
    RecordActivityTaskHeartbeatResponse,
)

from timeskip.server.calls import Answer
from timeskip.server.errors import ServiceError, StatusCode


class HeartbeatListener(Protocol):
    """Runs activities, though perhaps not the one whose task token it is told."""

    def heartbeat_answered(self, token: bytes, *, cancels: bool) -> None:
        """The service answers a heartbeat; the answer has not been sent yet.

        `cancels`: it makes the worker cancel the activity.
        """
        ...

    def heartbeat_is_late(self, token: bytes) -> None:
        """A fault has delayed a heartbeat, or its answer."""
        ...


class Heartbeats:
    """Passes on what the lanes and the faults see of heartbeats. Where the clock runs."""

    def __init__(self) -> None:
        #: Those that run activities in this process.
        self.listeners: list[HeartbeatListener] = []
        #: Those that run activities of the worker of that identity in other processes.
        self.listeners_elsewhere: Callable[[str], Iterable[HeartbeatListener]] = _nobody

    def answered(self, request: Message, answer: Answer) -> None:
        """The worker that has sent a heartbeat gets this answer, and does not ask again."""
        assert isinstance(request, RecordActivityTaskHeartbeatRequest)
        for listener in self._listeners(request.identity):
            listener.heartbeat_answered(request.task_token, cancels=_asks_to_cancel(answer))

    def is_late(self, request: RecordActivityTaskHeartbeatRequest) -> None:
        """A fault has delayed a heartbeat, or its answer."""
        for listener in self._listeners(request.identity):
            listener.heartbeat_is_late(request.task_token)

    def _listeners(self, identity: str) -> Iterator[HeartbeatListener]:
        yield from self.listeners
        yield from self.listeners_elsewhere(identity)


def _nobody(identity: str) -> Iterable[HeartbeatListener]:
    return ()


def _asks_to_cancel(answer: Answer) -> bool:
    """Whether the worker cancels the activity: because it is to, or because it is not known."""
    if isinstance(answer, RecordActivityTaskHeartbeatResponse):
        return answer.cancel_requested or answer.activity_paused or answer.activity_reset
    return isinstance(answer, ServiceError) and answer.code == StatusCode.NOT_FOUND
