"""Ids that the SDK's client makes up come from the seed as well, because histories show them."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

import temporalio.client
import temporalio.nexus
from google.protobuf.message import Message
from temporalio.client import (
    CancelWorkflowInput,
    OutboundInterceptor,
    SignalWorkflowInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)

#: Whether the request that is being made is one whose request id nobody has asked for.
_is_made_up: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "timeskip_request_id_is_made_up", default=False
)


class MadeUpIds(temporalio.client.Interceptor):
    """Gives updates without an id one of `make_id`, and marks requests for `replace_request_id`."""

    def __init__(self, make_id: Callable[[], str]) -> None:
        self._make_id = make_id

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Outbound(next, self._make_id)


def replace_request_id(request: Message, make_id: Callable[[], str]) -> None:
    """Give `request` another request id if the one that it has was made up by the SDK."""
    if _is_made_up.get() and "request_id" in request.DESCRIPTOR.fields_by_name:
        request.request_id = make_id()  # type: ignore[attr-defined]


class _Outbound(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, make_id: Callable[[], str]) -> None:
        super().__init__(next)
        self._make_id = make_id

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        with _MadeUp():
            return await super().start_workflow(input)

    async def cancel_workflow(self, input: CancelWorkflowInput) -> None:
        with _MadeUp():
            await super().cancel_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        with _MadeUp():
            await super().signal_workflow(input)

    async def start_workflow_update(
        self, input: StartWorkflowUpdateInput
    ) -> WorkflowUpdateHandle[Any]:
        input.update_id = input.update_id or self._make_id()
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self, input: StartWorkflowUpdateWithStartInput
    ) -> WorkflowUpdateHandle[Any]:
        update = input.update_workflow_input
        update.update_id = update.update_id or self._make_id()
        return await super().start_update_with_start_workflow(input)


class _MadeUp:
    """Within the block the SDK makes up request ids, but for those of Nexus operations."""

    def __enter__(self) -> None:
        self._token = _is_made_up.set(not temporalio.nexus.in_operation())

    def __exit__(self, *exception: object) -> None:
        _is_made_up.reset(self._token)
