from __future__ import annotations

import pytest
from temporalio.api.deployment.v1 import WorkerDeploymentOptions
from temporalio.api.enums.v1 import VersioningBehavior, WorkerVersioningMode
from temporalio.api.workflowservice.v1 import (
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
)

from tests.server.validation.refusals import refusal
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.validation.task_tokens import validate_task_answer, validate_task_token

PINNED = VersioningBehavior.VERSIONING_BEHAVIOR_PINNED


def test_validate_task_token_wants_one() -> None:
    validate_task_token(b"token")
    assert refusal(validate_task_token, b"") == "Task token not set on request."


@pytest.mark.parametrize(
    "request_",
    [
        RespondWorkflowTaskCompletedRequest(identity="i" * 1001),
        RespondWorkflowTaskFailedRequest(identity="i" * 1001),
    ],
)
def test_validate_task_answer_limits_the_identity(
    request_: RespondWorkflowTaskCompletedRequest | RespondWorkflowTaskFailedRequest,
) -> None:
    assert refusal(validate_task_answer, request_) == "Identity length exceeds limit."


def test_validate_task_answer_with_a_versioning_behavior() -> None:
    unversioned = RespondWorkflowTaskCompletedRequest(versioning_behavior=PINNED)
    assert refusal(validate_task_answer, unversioned) == (
        "versioning behavior cannot be specified without deployment options "
        "being set with versioned mode"
    )
    options = WorkerDeploymentOptions(
        worker_versioning_mode=WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED,
        deployment_name="orders",
        build_id="1",
    )
    versioned = RespondWorkflowTaskCompletedRequest(
        versioning_behavior=PINNED, deployment_options=options
    )
    with pytest.raises(ServiceError, match="versioned workers") as refused:
        validate_task_answer(versioned)
    assert refused.value.code == StatusCode.UNIMPLEMENTED
