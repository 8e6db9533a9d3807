"""What operators ask of one activity, in the form that may also name one without a workflow."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from google.protobuf.duration_pb2 import Duration
from temporalio.api.errordetails.v1 import NotFoundFailure
from temporalio.api.workflowservice.v1 import (
    PauseActivityExecutionRequest,
    ResetActivityExecutionRequest,
    UnpauseActivityExecutionRequest,
    UpdateActivityExecutionOptionsRequest,
)

from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.validation.durations import why_invalid
from timeskip.server.validation.executions import canonical_uuid
from timeskip.server.validation.limits import MAX_ID_LENGTH, byte_length, is_too_long
from timeskip.server.validation.retry_policy import validate_retry_policy

ActivityExecutionOperation = (
    PauseActivityExecutionRequest
    | ResetActivityExecutionRequest
    | UnpauseActivityExecutionRequest
    | UpdateActivityExecutionOptionsRequest
)

_WITH_JITTER: Final = (UnpauseActivityExecutionRequest, ResetActivityExecutionRequest)


def validate_activity_execution_operation(request: ActivityExecutionOperation) -> None:
    """Refuse a request as the real server does, but for its options and the lack of a workflow."""
    _validate_length("request ID", request.request_id)
    if not request.activity_id:
        raise invalid_argument("activity ID is required")
    _validate_length("activity ID", request.activity_id)
    _validate_length("identity", request.identity)
    if request.run_id and canonical_uuid(request.run_id) is None:
        raise invalid_argument("invalid run id: must be a valid UUID")
    jitter = request.jitter if isinstance(request, _WITH_JITTER) else Duration()
    if reason := why_invalid(jitter):
        raise invalid_argument(f"invalid jitter: {reason}")


def validate_changed_options(
    request: UpdateActivityExecutionOptionsRequest,
    paths: Sequence[str],
    supported: Collection[str],
) -> None:
    """Refuse a change that names options badly. Completes a whole retry policy.

    `paths` are those of the mask in snake case, `supported` those that it may have. What it does not
    name is not looked at.
    """
    if request.restore_original:
        if request.update_mask.paths:
            raise invalid_argument("Both UpdateMask and RestoreOriginal are provided")
        return
    if not request.HasField("activity_options"):
        raise invalid_argument("ActivityOptions are not provided")
    if not request.HasField("update_mask"):
        raise invalid_argument("UpdateMask is not provided")
    for path, given in zip(paths, request.update_mask.paths, strict=True):
        if path not in supported:
            raise invalid_argument(f'unsupported update_mask path: "{given}"')
    options = request.activity_options
    if "task_queue.name" in paths and not options.HasField("task_queue"):
        raise invalid_argument("taskQueue is not set")
    if "retry_policy" in paths:
        options.retry_policy.SetInParent()
        validate_retry_policy(options.retry_policy)
    if not any(path.startswith("priority") for path in paths):
        options.ClearField("priority")


def refuse_standalone(request: ActivityExecutionOperation) -> None:
    """Without a workflow id the request is about a standalone activity, and there are none."""
    if not request.workflow_id:
        raise ServiceError(
            StatusCode.NOT_FOUND,
            f"activity not found for ID: {request.activity_id}",
            NotFoundFailure(),
        )


def _validate_length(told_as: str, text: str) -> None:
    if is_too_long(text):
        raise invalid_argument(
            f"{told_as} exceeds length limit. Length={byte_length(text)} Limit={MAX_ID_LENGTH}"
        )
