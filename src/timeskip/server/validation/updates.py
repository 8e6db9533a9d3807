"""Requests for updates, and for what came of them."""

from __future__ import annotations

from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage as Stage
from temporalio.api.errordetails.v1 import PermissionDeniedFailure
from temporalio.api.workflowservice.v1 import (
    PollWorkflowExecutionUpdateRequest,
    UpdateWorkflowExecutionRequest,
)

from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.validation.executions import canonical_uuid, validate_workflow_execution
from timeskip.server.validation.limits import is_too_long


def validate_update(request: UpdateWorkflowExecutionRequest) -> None:
    """Refuse an update as the real server does, before it looks for the run.

    Who does not say what to wait for waits for the update to be completed.
    """
    validate_workflow_execution(request)
    update = request.request
    if not update.HasField("meta"):
        raise invalid_argument("Update meta is not set on request.")
    if is_too_long(update.meta.update_id):
        raise invalid_argument("UpdateId length exceeds limit.")
    if not update.HasField("input"):
        raise invalid_argument("Update input is not set on request.")
    if not update.input.name:
        raise invalid_argument("Update name is not set on request.")
    policy = request.wait_policy
    if policy.lifecycle_stage == Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ADMITTED:
        raise ServiceError(
            StatusCode.PERMISSION_DENIED,
            "UpdateWorkflowExecution issued asynchronously and waiting on update admitted "
            "is not supported.",
            PermissionDeniedFailure(),
        )
    if policy.lifecycle_stage == Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_UNSPECIFIED:
        policy.lifecycle_stage = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED


def validate_poll_update(request: PollWorkflowExecutionUpdateRequest) -> None:
    """The same for a request that waits for an update."""
    if not request.HasField("update_ref"):
        raise invalid_argument("UpdateRef is not set on request.")
    execution = request.update_ref.workflow_execution
    if not execution.workflow_id:
        raise invalid_argument("Can't load workflow execution.  WorkflowId not set.")
    if execution.run_id:
        run_id = canonical_uuid(execution.run_id)
        if run_id is None:
            raise invalid_argument("RunId is not valid UUID.")
        execution.run_id = run_id
