"""Asking a run to cancel itself."""

from __future__ import annotations

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import WorkflowExecutionCancelRequestedEventAttributes
from temporalio.api.workflowservice.v1 import (
    RequestCancelWorkflowExecutionRequest,
    RequestCancelWorkflowExecutionResponse,
)

from timeskip.server import workflow_tasks
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.rpcs import rpc
from timeskip.server.validation.executions import validate_request_cancel


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
    if run.is_open and not run.cancel_requested:
        run.cancel_requested = True
        event = run.add(
            EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
            WorkflowExecutionCancelRequestedEventAttributes(
                cause=request.reason, identity=request.identity
            ),
        )
        event.links.extend(request.links)
        if run.workflow_task is None:
            # Even during a start delay, which this ends.
            workflow_tasks.schedule(run)
        run.commit()
    return RequestCancelWorkflowExecutionResponse()
