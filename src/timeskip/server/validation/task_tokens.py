"""Answers of workers to tasks: the parts that need no look at the task itself."""

from __future__ import annotations

from temporalio.api.enums.v1 import VersioningBehavior
from temporalio.api.workflowservice.v1 import (
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
)

from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.validation.limits import validate_identity
from timeskip.server.validation.worker_versions import validate_worker_version


def validate_task_token(task_token: bytes) -> None:
    """Refuse an answer without a token. Whether a token can be read comes next."""
    if not task_token:
        raise invalid_argument("Task token not set on request.")


def validate_task_answer(
    request: RespondWorkflowTaskCompletedRequest | RespondWorkflowTaskFailedRequest,
) -> None:
    """Refuse an answer to a workflow task, once its token is known to be of its namespace."""
    validate_identity(request.identity)
    if isinstance(request, RespondWorkflowTaskCompletedRequest):
        validate_worker_version(request.worker_version_stamp, request.deployment_options)
        if request.versioning_behavior != VersioningBehavior.VERSIONING_BEHAVIOR_UNSPECIFIED:
            raise invalid_argument(
                "versioning behavior cannot be specified without deployment options "
                "being set with versioned mode"
            )
        if request.page_number or request.intermediate_page:
            raise ServiceError(
                StatusCode.FAILED_PRECONDITION,
                "workflow task completion pagination is disabled for this namespace "
                f"{request.namespace}",
            )
