"""Requests to pause a run and to unpause it."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import (
    PauseWorkflowExecutionRequest,
    UnpauseWorkflowExecutionRequest,
)

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.executions import canonical_uuid
from timeskip.server.validation.limits import is_too_long


def validate_pause(
    request: PauseWorkflowExecutionRequest | UnpauseWorkflowExecutionRequest,
) -> None:
    """Refuse a request before the run is looked for. Respells the run id."""
    for field in ("reason", "request_id", "identity"):
        if is_too_long(getattr(request, field)):
            raise invalid_argument(f"{field.replace('_', ' ')} is too long.")
    if not request.workflow_id:
        raise invalid_argument("Can't load workflow execution.  WorkflowId not set.")
    if request.run_id:
        run_id = canonical_uuid(request.run_id)
        if run_id is None:
            raise invalid_argument("RunId is not valid UUID.")
        request.run_id = run_id
