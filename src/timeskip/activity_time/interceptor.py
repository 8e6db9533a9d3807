"""Puts each activity that a worker runs on a simulation's time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import temporalio.activity
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from timeskip.activity_time.execution import Execution


class ActivityTimeInterceptor(Interceptor):
    """`begin` is called in each activity's context, on its event loop."""

    def __init__(
        self,
        begin: Callable[[Callable[..., None]], Execution],
        end: Callable[[Execution], None],
    ) -> None:
        self._begin = begin
        self._end = end

    def intercept_activity(
        self,
        next: ActivityInboundInterceptor,  # the SDK's name
    ) -> ActivityInboundInterceptor:
        return _Inbound(next, self._begin, self._end)


class _Inbound(ActivityInboundInterceptor):
    """Around one attempt of an activity."""

    def __init__(
        self,
        inner: ActivityInboundInterceptor,
        begin: Callable[[Callable[..., None]], Execution],
        end: Callable[[Execution], None],
    ) -> None:
        super().__init__(inner)
        self._begin = begin
        self._end = end
        self._outbound: _Outbound

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        self._outbound = _Outbound(outbound)
        super().init(self._outbound)

    async def execute_activity(
        self,
        input: ExecuteActivityInput,  # the SDK's name
    ) -> Any:
        execution = self._begin(self._outbound.next.heartbeat)
        self._outbound.execution = execution
        outcome_follows = True
        try:
            with execution:
                return await super().execute_activity(input)
        except temporalio.activity._CompleteAsyncError:
            outcome_follows = False
            raise
        finally:
            execution.finish(outcome_follows=outcome_follows)
            self._end(execution)


class _Outbound(ActivityOutboundInterceptor):
    """What the activity's code calls."""

    execution: Execution

    def heartbeat(self, *details: Any) -> None:
        self.execution.heartbeat(*details)
