from __future__ import annotations

import pytest
from temporalio.api.common.v1 import Link, WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    RequestCancelWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)

from tests.server.validation.refusals import refusal
from timeskip.server.validation.executions import (
    canonical_uuid,
    validate_execution,
    validate_request_cancel,
    validate_terminate,
)

RUN_ID = "01a20558-ab46-7450-b408-085ce0c387df"


@pytest.mark.parametrize(
    "spelling",
    [
        RUN_ID,
        RUN_ID.upper(),
        RUN_ID.replace("-", ""),
        f"{{{RUN_ID}}}",
        f"urn:uuid:{RUN_ID}",
        f"URN:UUID:{RUN_ID}",
    ],
)
def test_canonical_uuid_reads_every_spelling(spelling: str) -> None:
    assert canonical_uuid(spelling) == RUN_ID


@pytest.mark.parametrize("text", ["", "x", RUN_ID + " ", RUN_ID[:-1], f"{{{RUN_ID}"])
def test_canonical_uuid_of_something_else(text: str) -> None:
    assert canonical_uuid(text) is None


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (DescribeWorkflowExecutionRequest(), "Execution is not set on request."),
        (
            DescribeWorkflowExecutionRequest(execution=WorkflowExecution(run_id="x")),
            "WorkflowId is not set on request.",
        ),
        (
            DescribeWorkflowExecutionRequest(
                execution=WorkflowExecution(workflow_id="w", run_id="x")
            ),
            "Invalid RunId.",
        ),
    ],
)
def test_validate_execution_refuses(
    request_: DescribeWorkflowExecutionRequest, message: str
) -> None:
    assert refusal(validate_execution, request_) == message


def test_validate_execution_respells_the_run_id() -> None:
    request = DescribeWorkflowExecutionRequest(
        execution=WorkflowExecution(workflow_id="w", run_id=RUN_ID.upper())
    )
    validate_execution(request)
    assert request.execution.run_id == RUN_ID


def test_validate_terminate_says_who_and_why() -> None:
    request = TerminateWorkflowExecutionRequest(
        workflow_execution=WorkflowExecution(workflow_id="w")
    )
    validate_terminate(request)
    assert request.reason == "terminated by user via frontend"
    assert request.identity == "frontend-service"


def test_validate_terminate_keeps_reason_and_identity() -> None:
    request = TerminateWorkflowExecutionRequest(
        workflow_execution=WorkflowExecution(workflow_id="w"), reason="why", identity="me"
    )
    validate_terminate(request)
    assert (request.reason, request.identity) == ("why", "me")


def test_validate_terminate_and_cancel_look_at_links() -> None:
    execution = WorkflowExecution(workflow_id="w")
    terminate = TerminateWorkflowExecutionRequest(workflow_execution=execution, links=[Link()])
    cancel = RequestCancelWorkflowExecutionRequest(workflow_execution=execution, links=[Link()])
    assert refusal(validate_terminate, terminate) == "unsupported link variant"
    assert refusal(validate_request_cancel, cancel) == "unsupported link variant"


def test_validate_request_cancel_without_execution() -> None:
    message = refusal(validate_request_cancel, RequestCancelWorkflowExecutionRequest())
    assert message == "Execution is not set on request."
