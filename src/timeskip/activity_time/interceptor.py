"""Puts each activity and each Nexus handler that a worker runs on a simulation's time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import nexusrpc.handler
import temporalio.activity
from temporalio.nexus._operation_context import _temporal_context
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    ExecuteNexusOperationCancelInput,
    ExecuteNexusOperationStartInput,
    Interceptor,
    NexusOperationInboundInterceptor,
)

from timeskip.activity_time.cancellation import (
    await_cancellation_in_virtual_time,
    await_shutdown_in_virtual_time,
)
from timeskip.activity_time.execution import ActivityExecution, Execution

Answer = TypeVar("Answer")

#: The beginning of a Nexus handler, of the operation of that name.
BeginHandler = Callable[[str], Execution | None]


class ActivityTimeInterceptor(Interceptor):
    """`begin` and `begin_handler` are called in the code's context, on its event loop."""

    def __init__(
        self,
        begin: Callable[[Callable[..., None]], ActivityExecution],
        begin_handler: BeginHandler,
        end: Callable[[Execution], None],
    ) -> None:
        self._begin = begin
        self._begin_handler = begin_handler
        self._end = end

    def intercept_activity(
        self,
        next: ActivityInboundInterceptor,  # the SDK's name
    ) -> ActivityInboundInterceptor:
        return _Inbound(next, self._begin, self._end)

    def intercept_nexus_operation(
        self,
        next: NexusOperationInboundInterceptor,  # the SDK's name
    ) -> NexusOperationInboundInterceptor:
        return _NexusInbound(next, self._begin_handler, self._end)


class _Inbound(ActivityInboundInterceptor):
    """Around one attempt of an activity."""

    def __init__(
        self,
        inner: ActivityInboundInterceptor,
        begin: Callable[[Callable[..., None]], ActivityExecution],
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

    execution: ActivityExecution

    def heartbeat(self, *details: Any) -> None:
        self.execution.heartbeat(*details)


class _NexusInbound(NexusOperationInboundInterceptor):
    """Around a handler of Nexus operations."""

    def __init__(
        self,
        inner: NexusOperationInboundInterceptor,
        begin: BeginHandler,
        end: Callable[[Execution], None],
    ) -> None:
        super().__init__(inner)
        self._begin = begin
        self._end = end

    async def execute_nexus_operation_start(
        self,
        input: ExecuteNexusOperationStartInput,  # the SDK's name
    ) -> (
        nexusrpc.handler.StartOperationResultSync[Any] | nexusrpc.handler.StartOperationResultAsync
    ):
        return await self._handle(input.ctx, super().execute_nexus_operation_start(input))

    async def execute_nexus_operation_cancel(
        self,
        input: ExecuteNexusOperationCancelInput,  # the SDK's name
    ) -> None:
        await self._handle(input.ctx, super().execute_nexus_operation_cancel(input))

    async def _handle(
        self, context: nexusrpc.handler.OperationContext, answer: Awaitable[Answer]
    ) -> Answer:
        execution = self._begin(f"{context.service}/{context.operation}")
        if execution is None:
            return await answer
        await_cancellation_in_virtual_time(context.task_cancellation)
        await_shutdown_in_virtual_time(_temporal_context()._worker_shutdown_event)
        try:
            with execution:
                return await answer
        finally:
            execution.finish(outcome_follows=True)
            self._end(execution)
