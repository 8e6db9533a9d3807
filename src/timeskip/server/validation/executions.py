"""Which workflow run a request is about, and requests that hold little more than that."""

from __future__ import annotations

import re
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
    QueryWorkflowRequest,
    RequestCancelWorkflowExecutionRequest,
    ResetStickyTaskQueueRequest,
    ResetWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
)

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.links import validate_links

ExecutionRequest = (
    DescribeWorkflowExecutionRequest
    | GetWorkflowExecutionHistoryRequest
    | GetWorkflowExecutionHistoryReverseRequest
    | QueryWorkflowRequest
    | ResetStickyTaskQueueRequest
)
"""Requests that name their run in `execution`."""

WorkflowExecutionRequest = (
    DeleteWorkflowExecutionRequest
    | RequestCancelWorkflowExecutionRequest
    | ResetWorkflowExecutionRequest
    | SignalWorkflowExecutionRequest
    | TerminateWorkflowExecutionRequest
    | UpdateWorkflowExecutionRequest
)
"""Requests that name their run in `workflow_execution`."""

_UUID: Final = re.compile(
    r"(?:urn:uuid:)?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})"
    r"|\{([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}"
    r"|([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})",
    re.IGNORECASE,
)


def canonical_uuid(text: str) -> str | None:
    """A UUID with its dashes and in lower case, or None if the text is no UUID.

    The real server finds a run or a namespace by any spelling of its UUID.
    """
    match = _UUID.fullmatch(text)
    return None if match is None else "-".join(part.lower() for part in match.groups() if part)


def validate_execution(request: ExecutionRequest) -> None:
    """Refuse a request that names no run, with INVALID_ARGUMENT as the real server does.

    The run id may be empty: the request is then about the current run. It is respelled as
    `canonical_uuid`.
    """
    _validate_execution(request.execution if request.HasField("execution") else None)


def validate_workflow_execution(request: WorkflowExecutionRequest) -> None:
    """The same for requests that name their run in `workflow_execution`."""
    _validate_execution(
        request.workflow_execution if request.HasField("workflow_execution") else None
    )


def validate_terminate(request: TerminateWorkflowExecutionRequest) -> None:
    """Refuse a termination as the real server does, before it looks for the run.

    Says who terminates and why if the request does not.
    """
    validate_workflow_execution(request)
    validate_links(request.links)
    request.reason = request.reason or "terminated by user via frontend"
    request.identity = request.identity or "frontend-service"


def validate_request_cancel(request: RequestCancelWorkflowExecutionRequest) -> None:
    """Refuse a cancellation request as the real server does, before it looks for the run."""
    validate_workflow_execution(request)
    validate_links(request.links)


def _validate_execution(execution: WorkflowExecution | None) -> None:
    if execution is None:
        raise invalid_argument("Execution is not set on request.")
    if not execution.workflow_id:
        raise invalid_argument("WorkflowId is not set on request.")
    if execution.run_id:
        run_id = canonical_uuid(execution.run_id)
        if run_id is None:
            raise invalid_argument("Invalid RunId.")
        execution.run_id = run_id
