"""Calls from the direct lane's worker to the service, without any wire in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from google.protobuf.message import Message

from timeskip.clock import duration_nanoseconds
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.server.calls import Answer, Call
from timeskip.server.errors import ServiceError
from timeskip.server.rpcs import WORKFLOW_SERVICE

Response = TypeVar("Response", bound=Message)

_HEARTBEAT = "RecordActivityTaskHeartbeat"

#: A long poll of the direct lane never has to expire: nothing between the two sides could time out.
_PATIENCE = 1e9


class Requests:
    """The service as a worker of this process uses it."""

    def __init__(self, keeper: TimeKeeper) -> None:
        self._keeper = keeper

    def ask(self, method: str, request: Message, response_type: type[Response]) -> Response:
        """A call that is answered at once; raises `ServiceError` if it is refused."""
        answers: list[Answer] = []
        call = Call(f"{WORKFLOW_SERVICE}/{method}", request, answers.append, timeout=_PATIENCE)
        self._keeper.service.handle(call)
        (answer,) = answers
        if method == _HEARTBEAT and self._keeper.on_heartbeat is not None:
            self._keeper.on_heartbeat(request, answer)
        self._keeper.notice()
        if isinstance(answer, ServiceError):
            raise answer
        assert isinstance(answer, response_type)
        return answer

    def poll(self, method: str, request: Message, deliver: Callable[[Answer], None]) -> Call:
        """A long poll. `deliver` gets the answer on a turn of the loop of its own."""
        loop = self._keeper.loop

        def answer_later(answer: Answer) -> None:
            loop.call_soon(deliver, answer)

        call = Call(f"{WORKFLOW_SERVICE}/{method}", request, answer_later, timeout=_PATIENCE)
        self._keeper.service.handle(call)
        self._keeper.opened(call)
        return call

    def after(self, delay: timedelta, action: Callable[[], None]) -> None:
        """Do something after a while of virtual time."""
        clock = self._keeper.clock
        clock.schedule(clock.now() + duration_nanoseconds(delay), action)

    def cancel(self, call: Call) -> None:
        self._keeper.service.cancel(call)
