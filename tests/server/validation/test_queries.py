from __future__ import annotations

import pytest
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import QueryWorkflowRequest

from tests.server.validation.refusals import refusal
from timeskip.server.validation.queries import validate_query

EXECUTION = WorkflowExecution(workflow_id="w")
LARGE = Payloads(payloads=[Payload(data=b"x" * (2 * 1024 * 1024 + 1))])


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (QueryWorkflowRequest(), "Execution is not set on request."),
        (QueryWorkflowRequest(execution=EXECUTION), "WorkflowQuery is not set on request."),
        (
            QueryWorkflowRequest(execution=EXECUTION, query=WorkflowQuery()),
            "QueryType is not set on request.",
        ),
        (
            QueryWorkflowRequest(
                execution=EXECUTION, query=WorkflowQuery(query_type="q", query_args=LARGE)
            ),
            "Blob data size exceeds limit.",
        ),
    ],
    ids=["execution", "query", "type", "arguments"],
)
def test_validate_query_refuses(request_: QueryWorkflowRequest, message: str) -> None:
    assert refusal(validate_query, request_) == message


def test_validate_query_accepts() -> None:
    query = WorkflowQuery(query_type="q")
    validate_query(QueryWorkflowRequest(execution=EXECUTION, query=query))
