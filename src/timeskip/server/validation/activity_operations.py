"""What operators ask of the pending activities of a run: which run, which activities."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    ResetActivityRequest,
    UnpauseActivityRequest,
    UpdateActivityOptionsRequest,
)

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.executions import canonical_uuid
from timeskip.server.validation.priority import validate_priority

ActivityOperation = (
    PauseActivityRequest
    | ResetActivityRequest
    | UnpauseActivityRequest
    | UpdateActivityOptionsRequest
)
"""Requests that name a run in `execution`, and some of its activities in `activity`."""


def validate_activity_operation(request: ActivityOperation) -> None:
    """Refuse a request that names no run or no activity. Respells the run id."""
    execution = request.execution
    if not execution.workflow_id:
        raise invalid_argument("WorkflowId is not set on request.")
    if request.WhichOneof("activity") is None:
        raise invalid_argument("Either Activity.Id or Activity.Type should be set on request.")
    if isinstance(request, UpdateActivityOptionsRequest):
        _validate_options(request)
    if execution.run_id:
        run_id = canonical_uuid(execution.run_id)
        if run_id is None:
            raise invalid_argument("RunId is not valid UUID.")
        execution.run_id = run_id


def _validate_options(request: UpdateActivityOptionsRequest) -> None:
    validate_priority(request.activity_options.priority)
    if request.restore_original and request.update_mask.paths:
        raise invalid_argument("Both UpdateMask and RestoreOriginal are provided")
