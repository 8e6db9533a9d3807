"""The RPCs that list open runs or closed ones, from before there were list filters."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.workflowservice.v1 import (
    ListClosedWorkflowExecutionsRequest,
    ListClosedWorkflowExecutionsResponse,
    ListOpenWorkflowExecutionsRequest,
    ListOpenWorkflowExecutionsResponse,
)

from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.errors import invalid_argument
from timeskip.server.rpcs import rpc
from timeskip.server.visibility.listing import listed_page
from timeskip.server.visibility.store import Condition

Request = ListOpenWorkflowExecutionsRequest | ListClosedWorkflowExecutionsRequest

_UNSET = Status.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED
_RUNNING = Status.WORKFLOW_EXECUTION_STATUS_RUNNING


@rpc("ListOpenWorkflowExecutions")
def list_open(
    cluster: Cluster, call: Call, request: ListOpenWorkflowExecutionsRequest
) -> ListOpenWorkflowExecutionsResponse:
    namespace = cluster.namespace(request.namespace)
    condition = Condition("status = ?", (_RUNNING,)).both(_filters(request))
    executions, token = listed_page(
        cluster, namespace, condition, request.maximum_page_size, request.next_page_token
    )
    return ListOpenWorkflowExecutionsResponse(executions=executions, next_page_token=token)


@rpc("ListClosedWorkflowExecutions")
def list_closed(
    cluster: Cluster, call: Call, request: ListClosedWorkflowExecutionsRequest
) -> ListClosedWorkflowExecutionsResponse:
    namespace = cluster.namespace(request.namespace)
    condition = Condition("status != ?", (_RUNNING,)).both(_filters(request))
    if request.HasField("status_filter"):
        status = request.status_filter.status
        if status in (_UNSET, _RUNNING):
            raise invalid_argument("StatusFilter must be specified and must be not Running.")
        condition = condition.both(Condition("status = ?", (status,)))
    executions, token = listed_page(
        cluster, namespace, condition, request.maximum_page_size, request.next_page_token
    )
    return ListClosedWorkflowExecutionsResponse(executions=executions, next_page_token=token)


def _filters(request: Request) -> Condition:
    condition = Condition("TRUE")
    times = request.start_time_filter
    earliest = _microseconds(times.earliest_time) if times.HasField("earliest_time") else None
    latest = _microseconds(times.latest_time) if times.HasField("latest_time") else None
    if earliest is not None and latest is not None and earliest > latest:
        raise invalid_argument(
            "EarliestTime in StartTimeFilter should not be larger than LatestTime."
        )
    if earliest is not None:
        condition = condition.both(Condition("start_time >= ?", (earliest,)))
    if latest is not None:
        condition = condition.both(Condition("start_time <= ?", (latest,)))
    if request.HasField("execution_filter"):
        workflow_id = request.execution_filter.workflow_id
        condition = condition.both(Condition("workflow_id = ?", (workflow_id,)))
    if request.HasField("type_filter"):
        condition = condition.both(Condition("workflow_type = ?", (request.type_filter.name,)))
    return condition


def _microseconds(time: Timestamp) -> int:
    return time.seconds * 1_000_000 + time.nanos // 1000
