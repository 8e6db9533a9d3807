"""Workers coming and going: heartbeats, shutdown, and giving up a sticky queue."""

from __future__ import annotations

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollNexusTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    RecordWorkerHeartbeatRequest,
    RecordWorkerHeartbeatResponse,
    ResetStickyTaskQueueRequest,
    ResetStickyTaskQueueResponse,
    ShutdownWorkerRequest,
    ShutdownWorkerResponse,
)

from timeskip.server import workflow_tasks
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.rpcs import rpc
from timeskip.server.validation.executions import validate_execution


@rpc("ShutdownWorker")
def shutdown_worker(
    cluster: Cluster, call: Call, request: ShutdownWorkerRequest
) -> ShutdownWorkerResponse:
    """The worker says goodbye: its sticky queue has nobody behind it any more."""
    namespace = cluster.namespace(request.namespace)
    if request.sticky_task_queue:
        queue = cluster.queues.existing(
            namespace.name,
            request.sticky_task_queue,
            TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        if queue is not None:
            queue.shut_down = True
    if cluster.answers_polls_at_shutdown and request.worker_instance_key:
        cluster.shut_down_workers.add(request.worker_instance_key)
        _end_polls(cluster, request.worker_instance_key)
    return ShutdownWorkerResponse()


@rpc("RecordWorkerHeartbeat")
def record_worker_heartbeat(
    cluster: Cluster, call: Call, request: RecordWorkerHeartbeatRequest
) -> RecordWorkerHeartbeatResponse:
    """Accepted; nothing reads worker heartbeats until `ListWorkers` is simulated."""
    cluster.namespace(request.namespace)
    return RecordWorkerHeartbeatResponse()


@rpc("ResetStickyTaskQueue")
def reset_sticky_task_queue(
    cluster: Cluster, call: Call, request: ResetStickyTaskQueueRequest
) -> ResetStickyTaskQueueResponse:
    namespace = cluster.namespace(request.namespace)
    validate_execution(request)
    run = cluster.run_of(namespace, request.execution)
    if not run.is_open:
        raise not_found("workflow execution already completed")
    workflow_tasks.clear_sticky(run)
    return ResetStickyTaskQueueResponse()


def _end_polls(cluster: Cluster, worker_instance_key: str) -> None:
    for queue in cluster.queues:
        for poll in list(queue.polls):
            request = poll.request
            if (
                isinstance(
                    request,
                    PollWorkflowTaskQueueRequest
                    | PollActivityTaskQueueRequest
                    | PollNexusTaskQueueRequest,
                )
                and request.worker_instance_key == worker_instance_key
            ):
                queue.polls.pop(poll, None)
                if poll.on_expiry is not None:
                    poll.on_expiry()
