"""`DescribeTaskQueue`: who polls a queue, and how much waits in it."""

from __future__ import annotations

from temporalio.api.enums.v1 import (
    DescribeTaskQueueMode,
    TaskQueueKind,
    TaskQueueType,
)
from temporalio.api.taskqueue.v1 import (
    PollerInfo,
    TaskIdBlock,
    TaskQueueStats,
    TaskQueueStatus,
    TaskQueueTypeInfo,
    TaskQueueVersioningInfo,
)
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
)

from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.describe import GO_ZERO_TIME
from timeskip.server.dispatch_rates import DispatchRate
from timeskip.server.matching import TaskQueue
from timeskip.server.rpcs import rpc
from timeskip.server.validation.polls import validate_describe_task_queue

#: What a worker that asks for no rate is shown with.
_ANY_RATE = 100_000.0
_DEFAULT_PRIORITY_KEY = 3
_UNVERSIONED = "__unversioned__"


@rpc("DescribeTaskQueue")
def describe_task_queue(
    cluster: Cluster, call: Call, request: DescribeTaskQueueRequest
) -> DescribeTaskQueueResponse:
    namespace = cluster.namespace(request.namespace)
    validate_describe_task_queue(request)
    if request.api_mode == DescribeTaskQueueMode.DESCRIBE_TASK_QUEUE_MODE_ENHANCED:
        return _enhanced(cluster, namespace.name, request)
    kind = request.task_queue_type or TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    queue = cluster.queues.existing(namespace.name, request.task_queue.name, kind)
    rate = queue.rate if queue else DispatchRate()
    response = DescribeTaskQueueResponse(
        effective_rate_limit=DescribeTaskQueueResponse.EffectiveRateLimit(
            requests_per_second=rate.per_second,
            rate_limit_source=rate.source,
        ),
        pollers=_pollers(queue),
    )
    if request.task_queue.kind != TaskQueueKind.TASK_QUEUE_KIND_STICKY:
        response.versioning_info.CopyFrom(
            TaskQueueVersioningInfo(current_version=_UNVERSIONED, update_time=GO_ZERO_TIME)
        )
    if request.report_stats:
        response.stats.CopyFrom(_stats(queue))
        response.stats_by_priority_key[_DEFAULT_PRIORITY_KEY].CopyFrom(_stats(queue))
    if request.include_task_queue_status:
        response.task_queue_status.CopyFrom(
            TaskQueueStatus(
                backlog_count_hint=len(queue.tasks) if queue else 0,
                rate_per_second=rate.per_second,
                task_id_block=TaskIdBlock(start_id=1, end_id=100_000),
            )
        )
    return response


def _enhanced(
    cluster: Cluster, namespace: str, request: DescribeTaskQueueRequest
) -> DescribeTaskQueueResponse:
    response = DescribeTaskQueueResponse()
    if request.HasField("versions") and not request.versions.unversioned:
        return response
    types = list(request.task_queue_types) or [
        TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    ]
    version = response.versions_info[""]
    for kind in types:
        queue = cluster.queues.existing(namespace, request.task_queue.name, kind)
        info = TaskQueueTypeInfo()
        if request.report_pollers:
            info.pollers.extend(_pollers(queue))
        if request.report_stats:
            info.stats.CopyFrom(_stats(queue))
        version.types_info[kind].CopyFrom(info)
    return response


def _pollers(queue: TaskQueue | None) -> list[PollerInfo]:
    shown = []
    for poller in queue.pollers.values() if queue else ():
        info = PollerInfo(
            identity=poller.identity,
            rate_per_second=(
                _ANY_RATE if poller.rate_per_second is None else poller.rate_per_second
            ),
            worker_version_capabilities=poller.version,
            deployment_options=poller.deployment,
        )
        info.last_access_time.FromNanoseconds(poller.last_access)
        shown.append(info)
    return shown


def _stats(queue: TaskQueue | None) -> TaskQueueStats:
    stats = TaskQueueStats(approximate_backlog_count=len(queue.tasks) if queue else 0)
    stats.approximate_backlog_age.SetInParent()
    return stats
