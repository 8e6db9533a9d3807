"""Lets a failing `assert` in a workflow fail the workflow, as test environments of the SDK do.

Otherwise it would only fail the workflow task, which a server tries again for ever.
"""

from __future__ import annotations

from typing import Any

import temporalio.client
import temporalio.worker
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ExecuteWorkflowInput,
    HandleSignalInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)


class AssertionFailures(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """A client interceptor that the SDK hands on to the workers of that client."""

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        try:
            return await super().execute_workflow(input)
        except AssertionError as error:
            raise _as_failure(error) from None

    async def handle_signal(self, input: HandleSignalInput) -> None:
        try:
            await super().handle_signal(input)
        except AssertionError as error:
            raise _as_failure(error) from None


def _as_failure(error: AssertionError) -> ApplicationError:
    failure = ApplicationError(str(error), type="AssertionError", non_retryable=True)
    failure.__traceback__ = error.__traceback__
    return failure
