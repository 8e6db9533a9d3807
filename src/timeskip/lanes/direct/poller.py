"""Keeps one long poll open at a task queue, for as long as there is room for a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from google.protobuf.message import Message

from timeskip.clock import DueTime
from timeskip.lanes.direct.pace import Pace
from timeskip.lanes.direct.requests import Requests
from timeskip.lanes.direct.slots import Permit, Slots
from timeskip.server.calls import Answer, Call

Task = TypeVar("Task", bound=Message)
Info = TypeVar("Info")


class Poller(Generic[Task, Info]):
    """Reserves a slot, polls, hands over task and slot, and begins again."""

    def __init__(
        self,
        requests: Requests,
        method: str,
        request: Message,
        task_type: type[Task],
        slots: Slots[Info],
        take: Callable[[Task, Permit[Info]], None],
        *,
        sticky: bool = False,
        pace: Pace | None = None,
    ) -> None:
        self._requests = requests
        self._method = method
        self._request = request
        self._task_type = task_type
        self._slots = slots
        self._take = take
        self._sticky = sticky
        self._pace = pace
        self._pause: DueTime | None = None
        self._stopped = False
        self._call: Call | None = None
        self._permit: Permit[Info] | None = None
        self._take_back: Callable[[], None] | None = None

    def start(self) -> None:
        """Poll for the first time."""
        self._begin()

    def stop(self) -> None:
        """Poll no more, and take the open poll back. A task that is on its way is still taken."""
        self._stopped = True
        if self._pause is not None:
            self._pause.cancel()
        if self._take_back is not None:
            self._take_back()
        call, permit = self._call, self._permit
        if call is not None and permit is not None and not call.answered:
            self._call = self._permit = None
            self._requests.cancel(call)
            permit.release()

    def _begin(self) -> None:
        if self._pace is None:
            self._reserve()
        else:
            self._pause = self._pace.wait(self._reserve)

    def _reserve(self) -> None:
        if not self._stopped:
            self._take_back = self._slots.reserve(self._poll, sticky=self._sticky)

    def _poll(self, permit: Permit[Info]) -> None:
        if self._stopped:
            permit.release()
            return
        self._permit = permit
        self._call = self._requests.poll(self._method, self._request, self._answered)

    def _answered(self, answer: Answer) -> None:
        permit, self._call, self._permit = self._permit, None, None
        if permit is None:
            # The poll was taken back, and this is the service's goodbye.
            return
        if isinstance(answer, self._task_type) and answer.task_token:  # type: ignore[attr-defined]
            self._take(answer, permit)
            self._begin()
        else:
            self._poll(permit)
