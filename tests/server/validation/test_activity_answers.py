from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.errordetails.v1 import NotFoundFailure
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure, TimeoutFailureInfo
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

from tests.server.validation.refusals import refusal
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.validation.activity_answers import (
    validate_activity_answer,
    validate_activity_answer_by_id,
)

LONG = "i" * 1001
RUN_ID = "01a20558-ab46-7450-b408-085ce0c387df"


@pytest.mark.parametrize(
    "answer",
    [
        RespondActivityTaskCompletedRequest(identity=LONG),
        RespondActivityTaskFailedRequest(identity=LONG),
        RespondActivityTaskCanceledRequest(identity=LONG),
    ],
)
def test_validate_activity_answer_limits_the_identity(answer: Any) -> None:
    assert refusal(validate_activity_answer, answer) == "Identity length exceeds limit."


def test_validate_activity_answer_does_not_limit_a_heartbeats_identity() -> None:
    validate_activity_answer(RecordActivityTaskHeartbeatRequest(identity=LONG))
    validate_activity_answer_by_id(
        RecordActivityTaskHeartbeatByIdRequest(activity_id="a", workflow_id="w", identity=LONG)
    )


@pytest.mark.parametrize(
    "failure", [Failure(message="x"), Failure(timeout_failure_info=TimeoutFailureInfo())]
)
def test_validate_activity_answer_wants_an_application_failure(failure: Failure) -> None:
    answer = RespondActivityTaskFailedRequest(failure=failure, identity=LONG)
    message = refusal(validate_activity_answer, answer)
    assert message == "Failure must have ApplicationFailureInfo."


def test_validate_activity_answer_accepts_application_failures_and_none() -> None:
    failure = Failure(application_failure_info=ApplicationFailureInfo())
    validate_activity_answer(RespondActivityTaskFailedRequest(failure=failure))
    validate_activity_answer(RespondActivityTaskFailedRequest())


@pytest.mark.parametrize(
    "answer",
    [
        RecordActivityTaskHeartbeatByIdRequest,
        RespondActivityTaskCanceledByIdRequest,
        RespondActivityTaskCompletedByIdRequest,
        RespondActivityTaskFailedByIdRequest,
    ],
)
def test_validate_activity_answer_by_id_wants_ids(answer: Any) -> None:
    assert (
        refusal(validate_activity_answer_by_id, answer(workflow_id="w"))
        == "ActivityId is not set on request."
    )
    assert (
        refusal(validate_activity_answer_by_id, answer(activity_id="a", run_id="x"))
        == "RunId is not valid UUID."
    )
    with pytest.raises(ServiceError, match="activity not found for ID: a") as raised:
        validate_activity_answer_by_id(answer(activity_id="a"))
    assert raised.value.code == StatusCode.NOT_FOUND
    assert raised.value.details == (NotFoundFailure(),)


def test_validate_activity_answer_by_id_respells_the_run_id() -> None:
    answer = RespondActivityTaskCompletedByIdRequest(
        activity_id="a", workflow_id="w", run_id=RUN_ID.upper()
    )
    validate_activity_answer_by_id(answer)
    assert answer.run_id == RUN_ID


def test_validate_activity_answer_by_id_limits_the_identity() -> None:
    answer = RespondActivityTaskFailedByIdRequest(activity_id="a", identity=LONG)
    assert refusal(validate_activity_answer_by_id, answer) == "Identity length exceeds limit."
