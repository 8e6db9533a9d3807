"""Workers asking for work."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import Message
from temporalio.api.enums.v1 import TaskQueueKind, TaskQueueType
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    PollNexusTaskQueueRequest,
    PollNexusTaskQueueResponse,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
)

from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.matching import PollerInfo, TaskQueue
from timeskip.server.rpcs import rpc
from timeskip.server.validation.polls import PollRequest, validate_poll

#: Real seconds that a poll has to be ready to wait.
_SHORTEST_POLL = 2.0


@rpc("PollWorkflowTaskQueue")
def poll_workflow_tasks(
    cluster: Cluster, call: Call, request: PollWorkflowTaskQueueRequest
) -> None:
    _poll(
        cluster,
        call,
        request,
        TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        PollWorkflowTaskQueueResponse,
    )


@rpc("PollActivityTaskQueue")
def poll_activity_tasks(
    cluster: Cluster, call: Call, request: PollActivityTaskQueueRequest
) -> None:
    _poll(
        cluster,
        call,
        request,
        TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        PollActivityTaskQueueResponse,
    )


@rpc("PollNexusTaskQueue")
def poll_nexus_tasks(cluster: Cluster, call: Call, request: PollNexusTaskQueueRequest) -> None:
    _poll(cluster, call, request, TaskQueueType.TASK_QUEUE_TYPE_NEXUS, PollNexusTaskQueueResponse)


def _poll(
    cluster: Cluster,
    call: Call,
    request: PollRequest,
    kind: TaskQueueType.ValueType,
    nothing: Callable[[], Message],
) -> None:
    namespace = cluster.namespace(request.namespace)
    if call.timeout is None:
        raise invalid_argument("Context timeout is not set.")
    if call.timeout < _SHORTEST_POLL:
        raise ServiceError(StatusCode.FAILED_PRECONDITION, "Context timeout is too short.")
    validate_poll(request)
    if request.worker_instance_key in cluster.shut_down_workers:
        # It was on its way when the worker shut down, which would lose a task now.
        call.respond(nothing())
        return
    is_sticky = request.task_queue.kind == TaskQueueKind.TASK_QUEUE_KIND_STICKY
    if is_sticky and kind == TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW:
        queue = cluster.queues.sticky_queue(namespace.name, request.task_queue.name)
    else:
        queue = cluster.queues.queue(namespace.name, request.task_queue.name, kind)
    call.task_queue = queue.name
    call.on_expiry = lambda: _nothing(cluster, queue, call, nothing)
    call.on_cancel = lambda: cluster.queues.forget_poll(queue, call)
    cluster.queues.poll(queue, call, _worker(cluster, request))


def _worker(cluster: Cluster, request: PollRequest) -> PollerInfo:
    version, deployment = request.worker_version_capabilities, request.deployment_options
    rate = None
    if isinstance(request, PollActivityTaskQueueRequest):
        metadata = request.task_queue_metadata
        if metadata.HasField("max_tasks_per_second"):
            rate = metadata.max_tasks_per_second.value
    return PollerInfo(
        request.identity,
        cluster.clock.now(),
        version if request.HasField("worker_version_capabilities") else None,
        deployment if request.HasField("deployment_options") else None,
        rate,
    )


def _nothing(
    cluster: Cluster, queue: TaskQueue, call: Call, nothing: Callable[[], Message]
) -> None:
    cluster.queues.forget_poll(queue, call)
    call.respond(nothing())
