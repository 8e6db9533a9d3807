from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import (
    Callback,
    Link,
    Memo,
    Payload,
    Payloads,
    Priority,
    RetryPolicy,
    SearchAttributes,
    WorkflowType,
)
from temporalio.api.enums.v1 import TaskQueueKind, WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import OnConflictOptions
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest

from tests.server.validation.refusals import refusal
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.validation.starts import validate_start

TERMINATE_IF_RUNNING = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING
REJECT_DUPLICATE = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
USE_EXISTING = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
TERMINATE_EXISTING = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING

LARGE = Payload(data=b"x" * (2 * 1024 * 1024 + 1))

#: Every mistake with its message, in the order in which the real server looks for them.
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "id missing": ({"workflow_id": ""}, "WorkflowId is not set on request."),
    "id too long": (
        {"workflow_id": "w" * 1001},
        "WorkflowId exceeds maximum allowed length (1001/1000)",
    ),
    "retry policy": (
        {"retry_policy": RetryPolicy(maximum_attempts=-1)},
        "MaximumAttempts cannot be negative on retry policy.",
    ),
    "cron": ({"cron_schedule": "now"}, "invalid CronSchedule."),
    "cron and start delay": (
        {"cron_schedule": "@daily", "workflow_start_delay": Duration()},
        "CronSchedule and WorkflowStartDelay may not be used together.",
    ),
    "start delay": (
        {"workflow_start_delay": Duration(seconds=-1)},
        "An invalid WorkflowStartDelaySeconds is set on request. cause: negative duration",
    ),
    "type missing": ({"workflow_type": None}, "WorkflowType is not set on request."),
    "type too long": (
        {"workflow_type": WorkflowType(name="T" * 1001)},
        "WorkflowType length exceeds limit.",
    ),
    "task queue": ({"task_queue": None}, "taskQueue is not set"),
    "execution timeout": (
        {"workflow_execution_timeout": Duration(seconds=-1)},
        "An invalid WorkflowExecutionTimeoutSeconds is set on request. cause: negative duration",
    ),
    "run timeout": (
        {"workflow_run_timeout": Duration(seconds=-1)},
        "An invalid WorkflowRunTimeoutSeconds is set on request. cause: negative duration",
    ),
    "task timeout": (
        {"workflow_task_timeout": Duration(seconds=-1)},
        "An invalid WorkflowTaskTimeoutSeconds is set on request. cause: negative duration",
    ),
    "request id": ({"request_id": "r" * 1001}, "RequestId length exceeds limit."),
    "reuse and conflict policy": (
        {
            "workflow_id_reuse_policy": TERMINATE_IF_RUNNING,
            "workflow_id_conflict_policy": USE_EXISTING,
        },
        (
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING "
            "cannot be used together with a WorkflowIDConflictPolicy"
        ),
    ),
    "reject and terminate": (
        {
            "workflow_id_reuse_policy": REJECT_DUPLICATE,
            "workflow_id_conflict_policy": TERMINATE_EXISTING,
        },
        (
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE "
            "cannot be used together with "
            "WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"
        ),
    ),
    "on conflict": (
        {"on_conflict_options": OnConflictOptions(attach_completion_callbacks=True)},
        "attaching request ID is required for attaching completion callbacks",
    ),
    "search attributes": (
        {"search_attributes": SearchAttributes(indexed_fields={"Color": Payload()})},
        "Namespace default has no mapping defined for search attribute Color",
    ),
    "priority": ({"priority": Priority(priority_key=-1)}, "priority key can't be negative"),
    "links": ({"links": [Link()]}, "unsupported link variant"),
    "input": ({"input": Payloads(payloads=[LARGE])}, "Blob data size exceeds limit."),
    "memo": ({"memo": Memo(fields={"k": LARGE})}, "Memo size exceeds limit."),
}


def start_request(**fields: Any) -> StartWorkflowExecutionRequest:
    complete = {
        "namespace": "default",
        "workflow_id": "w",
        "workflow_type": WorkflowType(name="T"),
        "task_queue": TaskQueue(name="q"),
        "request_id": "r",
    }
    return StartWorkflowExecutionRequest(**{**complete, **fields})


@pytest.mark.parametrize(("fields", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_validate_start_refuses(fields: dict[str, Any], message: str) -> None:
    assert refusal(validate_start, start_request(**fields), {}) == message


def test_validate_start_tells_the_first_mistake() -> None:
    cases = list(MISTAKES.values())
    for (first, message), (second, _) in pairwise(cases):
        if not first.keys() & second.keys():
            assert refusal(validate_start, start_request(**{**second, **first}), {}) == message


def test_validate_start_refuses_an_unknown_kind_of_callback() -> None:
    with pytest.raises(ServiceError, match="unknown callback variant: <nil>") as raised:
        validate_start(start_request(completion_callbacks=[Callback()]), {})
    assert raised.value.code == StatusCode.UNIMPLEMENTED


def test_validate_start_fills_in_the_kind_of_the_task_queue() -> None:
    request = start_request()
    validate_start(request, {})
    assert request.task_queue.kind == TaskQueueKind.TASK_QUEUE_KIND_NORMAL


def test_validate_start_fills_in_the_retry_policy_only_if_there_is_one() -> None:
    plain, retried = start_request(), start_request(retry_policy=RetryPolicy())
    validate_start(plain, {})
    validate_start(retried, {})
    assert not plain.HasField("retry_policy")
    assert retried.retry_policy.initial_interval == Duration(seconds=1)


def test_validate_start_caps_timeouts_and_leaves_unset_ones_unset() -> None:
    request = start_request(workflow_run_timeout=Duration(seconds=400_000_000_000))
    validate_start(request, {})
    assert request.workflow_run_timeout == Duration(seconds=3_153_600_000)
    assert not request.HasField("workflow_execution_timeout")
    assert not request.HasField("workflow_task_timeout")
    assert not request.HasField("workflow_start_delay")


def test_validate_start_accepts_what_it_has_filled_in() -> None:
    request = start_request(retry_policy=RetryPolicy())
    validate_start(request, {})
    once = StartWorkflowExecutionRequest()
    once.CopyFrom(request)
    validate_start(request, {})
    assert request == once
