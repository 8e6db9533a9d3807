"""Queries of workflows."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import QueryWorkflowRequest

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.executions import validate_execution
from timeskip.server.validation.limits import validate_payload_size


def validate_query(request: QueryWorkflowRequest) -> None:
    """Refuse a query as the real server does, before it looks for the run."""
    validate_execution(request)
    if not request.HasField("query"):
        raise invalid_argument("WorkflowQuery is not set on request.")
    if not request.query.query_type:
        raise invalid_argument("QueryType is not set on request.")
    validate_payload_size(request.query.query_args.ByteSize())
