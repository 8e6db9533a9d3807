"""Batches of a kind that there is no real server's answer for: what timeskip does not carry out."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.batch.v1 import (
    BatchOperationCancelActivities,
    BatchOperationDeleteActivities,
    BatchOperationTerminateActivities,
)
from temporalio.api.common.v1 import Execution
from temporalio.api.enums.v1 import ExecutionType
from temporalio.api.workflowservice.v1 import StartBatchOperationRequest

from tests.server.engine_driver import EngineDriver
from timeskip.server.errors import StatusCode

OPERATIONS: list[dict[str, Any]] = [
    {"cancel_activities_operation": BatchOperationCancelActivities()},
    {"terminate_activities_operation": BatchOperationTerminateActivities()},
    {"delete_activities_operation": BatchOperationDeleteActivities()},
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=[next(iter(each)) for each in OPERATIONS])
def test_batch_of_standalone_activities_is_refused(operation: dict[str, Any]) -> None:
    request = StartBatchOperationRequest(
        namespace="default",
        job_id="job",
        reason="spring cleaning",
        target_executions=[Execution(type=ExecutionType.EXECUTION_TYPE_ACTIVITY)],
        **operation,
    )
    refusal = EngineDriver().send("StartBatchOperation", request).refusal
    assert refusal is not None
    assert refusal.code == StatusCode.UNIMPLEMENTED
    assert next(iter(operation)) in refusal.message
