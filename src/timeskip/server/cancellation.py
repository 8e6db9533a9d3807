"""Asking a run to cancel itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Link, WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import (
    HistoryEvent,
    WorkflowExecutionCancelRequestedEventAttributes,
)
from temporalio.api.workflowservice.v1 import (
    RequestCancelWorkflowExecutionRequest,
    RequestCancelWorkflowExecutionResponse,
)

from timeskip.server import workflow_tasks
from timeskip.server.applied_events import applies
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.rpcs import rpc
from timeskip.server.validation.executions import validate_request_cancel

if TYPE_CHECKING:
    from timeskip.server.run import Run


@rpc("RequestCancelWorkflowExecution")
def request_cancel_workflow(
    cluster: Cluster, call: Call, request: RequestCancelWorkflowExecutionRequest
) -> RequestCancelWorkflowExecutionResponse:
    """Cancelling twice, or cancelling what is over, is no error: the wish is fulfilled already."""
    namespace = cluster.namespace(request.namespace)
    validate_request_cancel(request)
    run = cluster.run_of(namespace, request.workflow_execution)
    if request.first_execution_run_id not in ("", run.started.first_execution_run_id):
        raise not_found("workflow execution not found")
    if run.is_open:
        request_cancel(run, request.reason, request.identity, links=request.links)
    return RequestCancelWorkflowExecutionResponse()


def request_cancel(
    run: Run,
    reason: str,
    identity: str,
    *,
    links: Iterable[Link] = (),
    external: WorkflowExecution | None = None,
    external_initiated_event_id: int = 0,
) -> None:
    """Ask an open run to cancel itself; `external` is the run whose wish it is, if any."""
    if run.cancel_requested:
        return
    event = run.add(
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
        WorkflowExecutionCancelRequestedEventAttributes(
            cause=reason,
            identity=identity,
            external_workflow_execution=external,
            external_initiated_event_id=external_initiated_event_id,
        ),
    )
    event.links.extend(links)
    if run.workflow_task is None:
        # Even during a start delay, which this ends.
        workflow_tasks.schedule_unless_paused(run)
    run.commit()


@applies(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)
def _note(run: Run, event: HistoryEvent) -> None:
    run.cancel_requested = True
