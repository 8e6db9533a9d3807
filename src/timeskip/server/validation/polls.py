"""Requests about task queues: polls and descriptions."""

from __future__ import annotations

from temporalio.api.enums.v1 import DescribeTaskQueueMode, TaskQueueKind
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    PollActivityTaskQueueRequest,
    PollNexusTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
)

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.limits import validate_identity
from timeskip.server.validation.task_queues import (
    validate_normal_name,
    validate_task_queue,
    validate_task_queue_partition,
)
from timeskip.server.validation.worker_versions import validate_worker_version

PollRequest = (
    PollActivityTaskQueueRequest | PollNexusTaskQueueRequest | PollWorkflowTaskQueueRequest
)


def validate_poll(request: PollRequest) -> None:
    """Refuse a poll as the real server does, once its namespace is known to exist."""
    task_queue = request.task_queue if request.HasField("task_queue") else None
    if isinstance(request, PollWorkflowTaskQueueRequest):
        validate_identity(request.identity)
        validate_worker_version(request.worker_version_capabilities, request.deployment_options)
        validate_task_queue(task_queue)
    else:
        validate_task_queue(task_queue)
        validate_identity(request.identity)
        validate_worker_version(request.worker_version_capabilities, request.deployment_options)
    validate_normal_name(request.task_queue)


def validate_describe_task_queue(request: DescribeTaskQueueRequest) -> None:
    """Refuse a description as the real server does, once its namespace is known to exist."""
    task_queue = request.task_queue if request.HasField("task_queue") else None
    if request.api_mode != DescribeTaskQueueMode.DESCRIBE_TASK_QUEUE_MODE_ENHANCED:
        validate_task_queue_partition(task_queue)
        validate_normal_name(request.task_queue)
        return
    validate_task_queue(task_queue)
    if request.task_queue.kind == TaskQueueKind.TASK_QUEUE_KIND_STICKY:
        raise invalid_argument(
            "Enhanced DescribeTaskQueue is not valid for a sticky queue, "
            "use api_mode=UNSPECIFIED or a normal queue."
        )
    if request.task_queue.normal_name:
        raise invalid_argument(
            "Task Queue Partition invalid, use a different Task Queue or Task Queue Type"
        )
