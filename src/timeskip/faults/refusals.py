"""Calls of workers that fail, and whether they will be made again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from temporalio.api.workflowservice.v1 import RecordActivityTaskHeartbeatRequest

from timeskip.lanes.repeating import TRIES, may_pass
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.server.calls import Call
from timeskip.server.errors import ServiceError

#: Real seconds after its first failure in which the SDK's core makes a call again: ten, and some more.
_PATIENCE = 10.5


@dataclass
class _Refused:
    times: int
    end: asyncio.TimerHandle


class Refusals:
    """Failed calls about a task, by method and token. `given_up` is told of one that is left at that.

    The core neither tells that it gives up, nor is it the number of tries alone that it goes by.
    """

    def __init__(self, keeper: TimeKeeper, given_up: Callable[[Call, ServiceError], None]) -> None:
        self._keeper = keeper
        self._given_up = given_up
        self._refused: dict[tuple[str, bytes], _Refused] = {}

    def refused(self, call: Call, error: ServiceError) -> None:
        """A call has failed."""
        token = _token(call)
        if not token:
            return
        refused = self._refused.get((call.rpc, token))
        if refused is None:
            end = self._keeper.loop.call_later(_PATIENCE, self._is_left, call, error)
            refused = self._refused[call.rpc, token] = _Refused(0, end)
        refused.times += 1
        if refused.times >= TRIES or not may_pass(error):
            self.arrived(call)
            # Of heartbeats the lanes tell by themselves what they know for certain.
            if not isinstance(call.request, RecordActivityTaskHeartbeatRequest):
                self._given_up(call, error)

    def arrived(self, call: Call) -> None:
        """A call has reached the service, perhaps one that had failed before."""
        refused = self._refused.pop((call.rpc, _token(call)), None)
        if refused is not None:
            refused.end.cancel()

    def _is_left(self, call: Call, error: ServiceError) -> None:
        self.arrived(call)
        self._given_up(call, error)


def _token(call: Call) -> bytes:
    token: bytes = getattr(call.request, "task_token", b"")
    return token
