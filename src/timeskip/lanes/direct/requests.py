"""Calls from the direct lane's worker to the service, without any wire in between."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Literal, TypeVar

from google.protobuf.message import Message

from timeskip.clock import DueTime, Nanoseconds
from timeskip.lanes.holds import Hold
from timeskip.lanes.repeating import TRIES, may_pass
from timeskip.lanes.time_keeper import Grace, TimeKeeper
from timeskip.server.calls import Answer, Call
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.rpcs import WORKFLOW_SERVICE

Response = TypeVar("Response", bound=Message)
Thing = TypeVar("Thing")

_HEARTBEAT = "RecordActivityTaskHeartbeat"

#: What a call that has to be answered at once gets if it is not.
_TOO_LATE = ServiceError(StatusCode.UNAVAILABLE, "there was no answer in time")

#: A long poll of the direct lane never has to expire: nothing between the two sides could time out.
_PATIENCE = 1e9


class Requests:
    """The service as a worker of this process uses it."""

    def __init__(self, keeper: TimeKeeper) -> None:
        self._keeper = keeper
        #: Not that of whoever brings an answer about: it may be an activity, whose time is its own.
        self._context = Context()

    def ask(self, method: str, request: Message, response_type: type[Response]) -> Response:
        """A call that is answered at once; raises `ServiceError` if it is refused."""
        answers: list[Answer] = []
        self.send(method, request, answers.append)
        answer = answers[0] if answers else _TOO_LATE
        if isinstance(answer, ServiceError):
            raise answer
        assert isinstance(answer, response_type)
        return answer

    def send(
        self,
        method: str,
        request: Message,
        deliver: Callable[[Answer], None],
        tries: int = TRIES,
    ) -> None:
        """A call that is answered before this returns, unless a fault delays it.

        It is tried again if it is refused for a reason that may pass.
        """

        def answered(answer: Answer) -> None:
            if tries > 1 and may_pass(answer):
                self.send(method, request, deliver, tries - 1)
                return
            if method == _HEARTBEAT:
                self._keeper.heartbeats.answered(request, answer)
            self._keeper.notice()
            deliver(answer)

        call = Call(f"{WORKFLOW_SERVICE}/{method}", request, answered, timeout=_PATIENCE)
        self._keeper.carry(call)

    def poll(self, method: str, request: Message, deliver: Callable[[Answer], None]) -> Call:
        """A long poll. `deliver` gets the answer on a turn of the loop of its own."""

        def answer_later(answer: Answer) -> None:
            # Nobody is left to hear of it if the loop is closed.
            with contextlib.suppress(RuntimeError):
                self._keeper.loop.call_soon(deliver, answer, context=self._context)

        call = Call(f"{WORKFLOW_SERVICE}/{method}", request, answer_later, timeout=_PATIENCE)
        self._keeper.carry(call)
        self._keeper.opened(call)
        return call

    def now(self) -> Nanoseconds:
        """The time at the service, which is everybody's."""
        return self._keeper.clock.now()

    def after(self, delay: Nanoseconds, action: Callable[[], None]) -> DueTime:
        """Do something after a while of virtual time."""
        return self.at(self._keeper.clock.now() + delay, action)

    def at(self, when: Nanoseconds, action: Callable[[], None]) -> DueTime:
        """Do something at an instant, or at once if it has passed."""
        clock = self._keeper.clock
        due = clock.schedule(max(when, clock.now()), action)
        self._keeper.notice()
        return due

    def be_patient_with_polls(self) -> None:
        """Somebody else decides when workers poll, and may take real time for it."""
        self._keeper.grace = Grace()

    def in_any_order(self, things: Sequence[Thing]) -> list[Thing]:
        """What happens side by side, in an order of the seed's choice."""
        left = list(things)
        choices = self._keeper.service.cluster.choices
        return [left.pop(choices.one_of(len(left))) for _ in things]

    def hold_time(self, reason: str) -> Hold:
        """Let no time pass until the hold is released."""
        return self._keeper.holds.take(reason)

    def worker_stops(self, change: Literal[1, -1]) -> None:
        """A worker begins to wait for what it still runs, or has no need to any more."""
        self._keeper.stopping_workers += change
        self._keeper.notice()

    def run_waits_for_time(self, run_id: str, waits: bool) -> None:
        """Whether the run's open workflow task waits for nothing that a worker of it does now."""
        self._keeper.local_waits.idle(run_id, is_idle=waits)
        self._keeper.notice()

    def abandon_workflow_task(self, run_id: str) -> None:
        """The run's open workflow task will not be answered."""
        run = self._keeper.service.cluster.runs.get(run_id)
        if run is not None and run.workflow_task is not None:
            self._keeper.abandon(run.workflow_task)

    def cancel(self, call: Call) -> None:
        self._keeper.service.cancel(call)
