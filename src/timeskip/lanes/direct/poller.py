"""Keeps one long poll open at a task queue, for as long as there is room for a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from google.protobuf.message import Message

from timeskip.lanes.direct.requests import Requests
from timeskip.server.calls import Answer, Call

Task = TypeVar("Task", bound=Message)


class Poller(Generic[Task]):
    """`has_room` is asked before each poll; call `resume` when there is room again."""

    def __init__(
        self,
        requests: Requests,
        method: str,
        request: Message,
        task_type: type[Task],
        has_room: Callable[[], bool],
        take: Callable[[Task], None],
    ) -> None:
        self._requests = requests
        self._method = method
        self._request = request
        self._task_type = task_type
        self._has_room = has_room
        self._take = take
        self._call: Call | None = None
        self._stopped = False

    def resume(self) -> None:
        """Poll, if there is room and no poll is open."""
        if self._call is None and not self._stopped and self._has_room():
            self._call = self._requests.poll(self._method, self._request, self._answered)

    def stop(self) -> None:
        """Poll no more, and take the open poll back."""
        self._stopped = True
        if self._call is not None:
            self._requests.cancel(self._call)
            self._call = None

    def _answered(self, answer: Answer) -> None:
        self._call = None
        if isinstance(answer, self._task_type) and answer.task_token:  # type: ignore[attr-defined]
            self._take(answer)
        self.resume()
