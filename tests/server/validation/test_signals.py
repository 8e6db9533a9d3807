from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import (
    Link,
    Payload,
    Payloads,
    Priority,
    RetryPolicy,
    SearchAttributes,
    WorkflowExecution,
    WorkflowType,
)
from temporalio.api.enums.v1 import TaskQueueKind, WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
)

from tests.server.validation.refusals import refusal
from timeskip.server.validation.signals import validate_signal, validate_signal_with_start

LARGE = Payloads(payloads=[Payload(data=b"x" * (2 * 1024 * 1024 + 1))])

SIGNAL_MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "execution": ({"workflow_execution": None}, "Execution is not set on request."),
    "name missing": ({"signal_name": ""}, "SignalName is not set on request."),
    "name too long": ({"signal_name": "s" * 1001}, "SignalName length exceeds limit."),
    "request id": ({"request_id": "r" * 1001}, "RequestId length exceeds limit."),
    "links": ({"links": [Link()]}, "unsupported link variant"),
    "input": ({"input": LARGE}, "Blob data size exceeds limit."),
}

TERMINATE_IF_RUNNING = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING
USE_EXISTING = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING

#: Every mistake with its message, in the order in which the real server looks for them.
SIGNAL_WITH_START_MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "cron": ({"cron_schedule": "now"}, "invalid CronSchedule."),
    "id missing": ({"workflow_id": ""}, "WorkflowId is not set on request."),
    "name missing": ({"signal_name": ""}, "signal not set"),
    "name too long": (
        {"signal_name": "s" * 1001},
        "signal name exceeds maximum allowed length (1001/1000)",
    ),
    "type missing": ({"workflow_type": None}, "workflow type not set"),
    "type too long": (
        {"workflow_type": WorkflowType(name="T" * 1001)},
        "workflow type name exceeds maximum allowed length (1001/1000)",
    ),
    "task queue": ({"task_queue": None}, "taskQueue is not set"),
    "request id": (
        {"request_id": "r" * 1001},
        "Request ID exceeds maximum allowed length (1001/1000)",
    ),
    "run timeout": (
        {"workflow_run_timeout": Duration(seconds=-1)},
        "An invalid WorkflowRunTimeoutSeconds is set on request. cause: negative duration",
    ),
    "retry policy": (
        {"retry_policy": RetryPolicy(maximum_attempts=-1)},
        "MaximumAttempts cannot be negative on retry policy.",
    ),
    "start delay": (
        {"workflow_start_delay": Duration(seconds=-1)},
        "An invalid WorkflowStartDelaySeconds is set on request. cause: negative duration",
    ),
    "policies": (
        {
            "workflow_id_reuse_policy": TERMINATE_IF_RUNNING,
            "workflow_id_conflict_policy": USE_EXISTING,
        },
        (
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING "
            "cannot be used together with a WorkflowIDConflictPolicy"
        ),
    ),
    "conflict policy": (
        {"workflow_id_conflict_policy": WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL},
        (
            "Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL "
            "is not supported for this operation."
        ),
    ),
    "search attributes": (
        {"search_attributes": SearchAttributes(indexed_fields={"Color": Payload()})},
        "Namespace default has no mapping defined for search attribute Color",
    ),
    "priority": ({"priority": Priority(priority_key=-1)}, "priority key can't be negative"),
    "links": ({"links": [Link()]}, "unsupported link variant"),
    "input": ({"input": LARGE}, "Blob data size exceeds limit."),
    "signal input": ({"signal_input": LARGE}, "Blob data size exceeds limit."),
}


def signal_request(**fields: Any) -> SignalWorkflowExecutionRequest:
    complete = {
        "namespace": "default",
        "workflow_execution": WorkflowExecution(workflow_id="w"),
        "signal_name": "s",
    }
    return SignalWorkflowExecutionRequest(**{**complete, **fields})


def signal_with_start_request(**fields: Any) -> SignalWithStartWorkflowExecutionRequest:
    complete = {
        "namespace": "default",
        "workflow_id": "w",
        "workflow_type": WorkflowType(name="T"),
        "task_queue": TaskQueue(name="q"),
        "request_id": "r",
        "signal_name": "s",
    }
    return SignalWithStartWorkflowExecutionRequest(**{**complete, **fields})


@pytest.mark.parametrize(
    ("fields", "message"), SIGNAL_MISTAKES.values(), ids=SIGNAL_MISTAKES.keys()
)
def test_validate_signal_refuses(fields: dict[str, Any], message: str) -> None:
    assert refusal(validate_signal, signal_request(**fields)) == message


def test_validate_signal_accepts() -> None:
    validate_signal(signal_request())


@pytest.mark.parametrize(
    ("fields", "message"),
    SIGNAL_WITH_START_MISTAKES.values(),
    ids=SIGNAL_WITH_START_MISTAKES.keys(),
)
def test_validate_signal_with_start_refuses(fields: dict[str, Any], message: str) -> None:
    request = signal_with_start_request(**fields)
    assert refusal(validate_signal_with_start, request, {}) == message


def test_validate_signal_with_start_tells_the_first_mistake() -> None:
    cases = list(SIGNAL_WITH_START_MISTAKES.values())
    for (first, message), (second, _) in pairwise(cases):
        if not first.keys() & second.keys():
            request = signal_with_start_request(**{**second, **first})
            assert refusal(validate_signal_with_start, request, {}) == message


def test_validate_signal_with_start_fills_in_what_a_start_does() -> None:
    request = signal_with_start_request(retry_policy=RetryPolicy())
    validate_signal_with_start(request, {})
    assert request.task_queue.kind == TaskQueueKind.TASK_QUEUE_KIND_NORMAL
    assert request.retry_policy.backoff_coefficient == 2.0
