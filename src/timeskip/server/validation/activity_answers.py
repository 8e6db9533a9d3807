"""What workers and other programs report of activities."""

from __future__ import annotations

from temporalio.api.errordetails.v1 import NotFoundFailure
from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatRequest,
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedByIdRequest,
    RespondActivityTaskFailedRequest,
)

from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.validation.executions import canonical_uuid
from timeskip.server.validation.limits import validate_identity


def validate_activity_answer(
    request: RecordActivityTaskHeartbeatRequest
    | RespondActivityTaskCanceledRequest
    | RespondActivityTaskCompletedRequest
    | RespondActivityTaskFailedRequest,
) -> None:
    """Refuse a report by task token, once the token is known to be of its namespace.

    A heartbeat's identity may be of any length.
    """
    if (
        isinstance(request, RespondActivityTaskFailedRequest)
        and request.HasField("failure")
        and not request.failure.HasField("application_failure_info")
    ):
        raise invalid_argument("Failure must have ApplicationFailureInfo.")
    if not isinstance(request, RecordActivityTaskHeartbeatRequest):
        validate_identity(request.identity)


def validate_activity_answer_by_id(
    request: RecordActivityTaskHeartbeatByIdRequest
    | RespondActivityTaskCanceledByIdRequest
    | RespondActivityTaskCompletedByIdRequest
    | RespondActivityTaskFailedByIdRequest,
) -> None:
    """Refuse a report by activity id, before the run is looked for. Respells the run id.

    Without a workflow id the report is about a standalone activity, and there are none.
    """
    if not request.activity_id:
        raise invalid_argument("ActivityId is not set on request.")
    if not isinstance(request, RecordActivityTaskHeartbeatByIdRequest):
        validate_identity(request.identity)
    if request.run_id:
        run_id = canonical_uuid(request.run_id)
        if run_id is None:
            raise invalid_argument("RunId is not valid UUID.")
        request.run_id = run_id
    if not request.workflow_id:
        raise ServiceError(
            StatusCode.NOT_FOUND,
            f"activity not found for ID: {request.activity_id}",
            NotFoundFailure(),
        )
