"""The RPCs that take a list filter: list, scan and count."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    CountWorkflowExecutionsResponse,
    ListWorkflowExecutionsRequest,
    ListWorkflowExecutionsResponse,
    ScanWorkflowExecutionsRequest,
    ScanWorkflowExecutionsResponse,
)

from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.namespaces import Namespace
from timeskip.server.rpcs import rpc
from timeskip.server.visibility.attributes import type_name
from timeskip.server.visibility.literals import status_name
from timeskip.server.visibility.pages import page_size, parsed_token, token_after
from timeskip.server.visibility.store import (
    Condition,
    known_types,
    search_attribute_value,
)

if TYPE_CHECKING:
    from timeskip.server.run import Run
    from timeskip.server.visibility.list_filter import ListFilter


@rpc("ListWorkflowExecutions")
def list_workflows(
    cluster: Cluster, call: Call, request: ListWorkflowExecutionsRequest
) -> ListWorkflowExecutionsResponse:
    """In pages; open runs first, then closed ones, in both the newest first."""
    namespace = cluster.namespace(request.namespace)
    executions, token = _filtered_page(cluster, namespace, request, "ListWorkflowExecutions")
    return ListWorkflowExecutionsResponse(executions=executions, next_page_token=token)


@rpc("ScanWorkflowExecutions")
def scan_workflows(
    cluster: Cluster, call: Call, request: ScanWorkflowExecutionsRequest
) -> ScanWorkflowExecutionsResponse:
    """The same as a list: only Elasticsearch makes a difference."""
    namespace = cluster.namespace(request.namespace)
    executions, token = _filtered_page(cluster, namespace, request, "ScanWorkflowExecutions")
    return ScanWorkflowExecutionsResponse(executions=executions, next_page_token=token)


@rpc("CountWorkflowExecutions")
def count_workflows(
    cluster: Cluster, call: Call, request: CountWorkflowExecutionsRequest
) -> CountWorkflowExecutionsResponse:
    """In all, and with GROUP BY for each value."""
    namespace = cluster.namespace(request.namespace)
    found = _read_filter(namespace, request.query)
    store = cluster.visibility
    store.refresh(cluster.runs)
    condition = of_namespace(namespace).both(found.condition)
    try:
        if found.group is None:
            return CountWorkflowExecutionsResponse(count=store.count(condition))
        groups = store.count_by(found.group, condition)
    except sqlite3.OperationalError as error:
        raise failed("CountWorkflowExecutions", error) from None
    return CountWorkflowExecutionsResponse(
        count=sum(count for _, count in groups),
        groups=[
            CountWorkflowExecutionsResponse.AggregationGroup(
                group_values=[_payload("Keyword", _group_name(value))], count=count
            )
            for value, count in groups
        ],
    )


def listed_page(
    cluster: Cluster, namespace: Namespace, condition: Condition, size: int, token: bytes
) -> tuple[list[WorkflowExecutionInfo], bytes]:
    """One page of the runs of a namespace that meet a condition, and the token of the next one.

    A full page has a token even if nothing comes after it.
    """
    after = parsed_token(token)
    size = page_size(size)
    cluster.visibility.refresh(cluster.runs)
    places = cluster.visibility.page(of_namespace(namespace).both(condition), after, size)
    shown = [_info(cluster.runs[place.run_id]) for place in places]
    return shown, token_after(places[-1]) if len(places) == size else b""


def runs_that_match(cluster: Cluster, namespace: Namespace, query: str) -> list[Run]:
    """All runs of a namespace that a list filter finds, or INVALID_ARGUMENT."""
    condition = _read_filter(namespace, query).condition
    cluster.visibility.refresh(cluster.runs)
    in_namespace = of_namespace(namespace).both(condition)
    places = cluster.visibility.page(in_namespace, None, len(cluster.runs))
    return [cluster.runs[place.run_id] for place in places]


def _filtered_page(
    cluster: Cluster,
    namespace: Namespace,
    request: ListWorkflowExecutionsRequest | ScanWorkflowExecutionsRequest,
    method: str,
) -> tuple[list[WorkflowExecutionInfo], bytes]:
    condition = _read_filter(namespace, request.query).condition
    try:
        return listed_page(
            cluster, namespace, condition, request.page_size, request.next_page_token
        )
    except sqlite3.OperationalError as error:
        raise failed(method, error) from None


def _read_filter(namespace: Namespace, query: str) -> ListFilter:
    # The parser takes a tenth of a second to import, which only those who filter should pay.
    from timeskip.server.visibility.list_filter import list_filter

    return list_filter(query, namespace.search_attributes)


def of_namespace(namespace: Namespace) -> Condition:
    """What all rows of a namespace meet."""
    return Condition("namespace = ?", (namespace.name,))


def failed(method: str, error: sqlite3.OperationalError) -> ServiceError:
    """A filter that is well formed and that SQLite does not execute, on the real server neither."""
    return ServiceError(
        StatusCode.UNAVAILABLE, f"{method} operation failed.: SQL logic error: {error} (1)"
    )


def _group_name(value: str | int | None) -> str:
    if isinstance(value, int):
        return status_name(Status.ValueType(value))
    return value or ""


def _info(run: Run) -> WorkflowExecutionInfo:
    """A run as listings show it: less than descriptions do, and of an open run even less."""
    started = run.started
    execution = WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id)
    execution_time = run.start_time + started.first_workflow_task_backoff.ToNanoseconds()
    info = WorkflowExecutionInfo(
        execution=execution,
        type=started.workflow_type,
        status=run.status,
        task_queue=run.task_queue,
        root_execution=(
            started.root_workflow_execution
            if started.HasField("root_workflow_execution")
            else execution
        ),
    )
    if started.HasField("parent_workflow_execution"):
        info.parent_execution.CopyFrom(started.parent_workflow_execution)
    info.start_time.FromMicroseconds(run.start_time // 1000)
    info.execution_time.FromMicroseconds(execution_time // 1000)
    info.memo.SetInParent()
    for name, payload in run.memo.items():
        info.memo.fields[name].CopyFrom(payload)
    info.search_attributes.SetInParent()
    for name, value_type in known_types(run.namespace.search_attributes).items():
        if name in run.search_attributes:
            value = search_attribute_value(run.search_attributes[name], value_type)
            if value is not None:
                shown = _payload(type_name(value_type), value)
                info.search_attributes.indexed_fields[name].CopyFrom(shown)
    if run.close_time is not None:
        info.close_time.FromMicroseconds(run.close_time // 1000)
        info.execution_duration.FromNanoseconds(run.close_time - execution_time)
        info.history_length = len(run.history.events)
        info.history_size_bytes = run.history.size_bytes
        info.state_transition_count = run.state_transitions
    return info


def _payload(type: str, value: object) -> Payload:
    return Payload(
        metadata={"type": type.encode(), "encoding": b"json/plain"},
        data=json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(),
    )
