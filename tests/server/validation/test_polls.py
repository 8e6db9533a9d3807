from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.common.v1 import WorkerVersionCapabilities
from temporalio.api.deployment.v1 import WorkerDeploymentOptions
from temporalio.api.enums.v1 import (
    DescribeTaskQueueMode,
    TaskQueueKind,
    WorkerVersioningMode,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    PollActivityTaskQueueRequest,
    PollNexusTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
)

from tests.server.validation.refusals import refusal
from timeskip.server.validation.polls import (
    PollRequest,
    validate_describe_task_queue,
    validate_poll,
)

ENHANCED = DescribeTaskQueueMode.DESCRIBE_TASK_QUEUE_MODE_ENHANCED
STICKY = TaskQueueKind.TASK_QUEUE_KIND_STICKY
POLLS = [
    PollWorkflowTaskQueueRequest,
    PollActivityTaskQueueRequest,
    PollNexusTaskQueueRequest,
]


@pytest.mark.parametrize("poll", POLLS)
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task_queue": None}, "taskQueue is not set"),
        (
            {"task_queue": TaskQueue(name="q", normal_name="n")},
            "only sticky queues can have normal name. tq: q, normal name: n",
        ),
        ({"identity": "i" * 1001}, "Identity length exceeds limit."),
        (
            {"worker_version_capabilities": WorkerVersionCapabilities(use_versioning=True)},
            "WorkerVersionStamp must be present if UseVersioning is true.",
        ),
        (
            {"worker_version_capabilities": WorkerVersionCapabilities(build_id="b" * 256)},
            "Build ID exceeds configured limit.workerBuildIdSize, use a shorter build ID.",
        ),
        (
            {
                "deployment_options": WorkerDeploymentOptions(
                    worker_versioning_mode=(WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED)
                )
            },
            "Deployment name and build id must be set together.",
        ),
    ],
)
def test_validate_poll_refuses(
    poll: type[PollRequest], fields: dict[str, Any], message: str
) -> None:
    request = poll(**{"task_queue": TaskQueue(name="q"), **fields})
    assert refusal(validate_poll, request) == message


def test_validate_poll_looks_first_at_the_identity_of_a_workflow_worker_only() -> None:
    fields: dict[str, Any] = {"identity": "i" * 1001}
    assert (
        refusal(validate_poll, PollWorkflowTaskQueueRequest(**fields))
        == "Identity length exceeds limit."
    )
    assert refusal(validate_poll, PollActivityTaskQueueRequest(**fields)) == "taskQueue is not set"


@pytest.mark.parametrize("poll", POLLS)
def test_validate_poll_accepts_sticky_queues(poll: type[PollRequest]) -> None:
    validate_poll(poll(task_queue=TaskQueue(name="s", kind=STICKY, normal_name="q")))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "taskQueue is not set"),
        (
            {"task_queue": TaskQueue(name="/_sys/q")},
            "invalid task queue partition name /_sys/q",
        ),
        (
            {"task_queue": TaskQueue(name="q", normal_name="n")},
            "only sticky queues can have normal name. tq: q, normal name: n",
        ),
        (
            {"task_queue": TaskQueue(name="/_sys/q/1"), "api_mode": ENHANCED},
            "task queue name cannot start with reserved prefix /_sys/",
        ),
        (
            {"task_queue": TaskQueue(name="q", kind=STICKY), "api_mode": ENHANCED},
            (
                "Enhanced DescribeTaskQueue is not valid for a sticky queue, "
                "use api_mode=UNSPECIFIED or a normal queue."
            ),
        ),
        (
            {"task_queue": TaskQueue(name="q", normal_name="n"), "api_mode": ENHANCED},
            "Task Queue Partition invalid, use a different Task Queue or Task Queue Type",
        ),
    ],
)
def test_validate_describe_task_queue_refuses(fields: dict[str, Any], message: str) -> None:
    assert refusal(validate_describe_task_queue, DescribeTaskQueueRequest(**fields)) == message


@pytest.mark.parametrize(
    "request_",
    [
        DescribeTaskQueueRequest(task_queue=TaskQueue(name="/_sys/q/1")),
        DescribeTaskQueueRequest(task_queue=TaskQueue(name="s", kind=STICKY, normal_name="q")),
        DescribeTaskQueueRequest(task_queue=TaskQueue(name="q"), api_mode=ENHANCED),
    ],
)
def test_validate_describe_task_queue_accepts(request_: DescribeTaskQueueRequest) -> None:
    validate_describe_task_queue(request_)
