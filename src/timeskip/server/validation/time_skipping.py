"""The time skipping of single workflows, which is not switched on, as on the real server."""

from __future__ import annotations

from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)

from timeskip.server.errors import ServiceError, StatusCode


def refuse_time_skipping(
    request: StartWorkflowExecutionRequest
    | SignalWithStartWorkflowExecutionRequest
    | WorkflowExecutionOptions,
) -> None:
    """Refuse what asks for a clock of the workflow's own, however it is set."""
    if request.HasField("time_skipping_config"):
        raise ServiceError(
            StatusCode.UNIMPLEMENTED, "The Time-Skipping feature is not enabled for namespace."
        )
