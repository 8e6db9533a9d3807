"""Requests about task queues: polls and descriptions."""

from __future__ import annotations

from typing import Final

from temporalio.api.common.v1 import WorkerVersionCapabilities
from temporalio.api.deployment.v1 import WorkerDeploymentOptions
from temporalio.api.enums.v1 import DescribeTaskQueueMode, TaskQueueKind, WorkerVersioningMode
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    PollActivityTaskQueueRequest,
    PollNexusTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
)

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.limits import byte_length, validate_identity
from timeskip.server.validation.task_queues import (
    validate_normal_name,
    validate_task_queue,
    validate_task_queue_partition,
)

PollRequest = (
    PollActivityTaskQueueRequest | PollNexusTaskQueueRequest | PollWorkflowTaskQueueRequest
)

_MAX_BUILD_ID_LENGTH: Final = 255


def validate_poll(request: PollRequest) -> None:
    """Refuse a poll as the real server does, once its namespace is known to exist."""
    task_queue = request.task_queue if request.HasField("task_queue") else None
    if isinstance(request, PollWorkflowTaskQueueRequest):
        validate_identity(request.identity)
        _validate_versioning(request.worker_version_capabilities, request.deployment_options)
        validate_task_queue(task_queue)
    else:
        validate_task_queue(task_queue)
        validate_identity(request.identity)
        _validate_versioning(request.worker_version_capabilities, request.deployment_options)
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


def _validate_versioning(
    capabilities: WorkerVersionCapabilities, deployment: WorkerDeploymentOptions
) -> None:
    if capabilities.use_versioning and not capabilities.build_id:
        raise invalid_argument("WorkerVersionStamp must be present if UseVersioning is true.")
    if byte_length(capabilities.build_id) > _MAX_BUILD_ID_LENGTH:
        raise invalid_argument(
            "Build ID exceeds configured limit.workerBuildIdSize, use a shorter build ID."
        )
    versioned = WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    if deployment.worker_versioning_mode == versioned and not (
        deployment.deployment_name and deployment.build_id
    ):
        raise invalid_argument("Deployment name and build id must be set together.")
