"""Ending a run from outside, at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionTerminatedEventAttributes
from temporalio.api.workflowservice.v1 import (
    TerminateWorkflowExecutionRequest,
    TerminateWorkflowExecutionResponse,
)

from timeskip.server import workflow_tasks
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.rpcs import rpc
from timeskip.server.validation.executions import validate_terminate

if TYPE_CHECKING:
    from timeskip.server.run import Run

#: Who the service says that it is when it ends a run itself.
HISTORY_SERVICE = "history-service"


@rpc("TerminateWorkflowExecution")
def terminate_workflow(
    cluster: Cluster, call: Call, request: TerminateWorkflowExecutionRequest
) -> TerminateWorkflowExecutionResponse:
    namespace = cluster.namespace(request.namespace)
    validate_terminate(request)
    run = cluster.run_of(namespace, request.workflow_execution)
    if request.first_execution_run_id not in ("", run.started.first_execution_run_id):
        raise not_found("workflow execution not found")
    if not run.is_open:
        raise not_found("workflow execution already completed")
    abandon_workflow_task(run)
    event = terminate_open(
        run,
        request.reason,
        request.details if request.HasField("details") else None,
        request.identity,
    )
    event.links.extend(request.links)
    run.commit()
    return TerminateWorkflowExecutionResponse()


def replace(run: Run, new_run_id: str) -> None:
    """Terminate a run because a new one is to take its workflow id."""
    abandon_workflow_task(run)
    details = Payload(
        metadata={"encoding": b"json/plain"},
        data=json.dumps(f"terminated by new runID: {new_run_id}").encode(),
    )
    terminate_open(
        run,
        "TerminateIfRunning WorkflowIdReusePolicy",
        Payloads(payloads=[details]),
        HISTORY_SERVICE,
    )
    run.commit()


def abandon_workflow_task(run: Run) -> None:
    """Before a run is closed from outside: the worker's open task has failed, and the buffer settles."""
    task = run.workflow_task
    if task is not None and task.started_event_id:
        workflow_tasks.fail(
            run,
            task,
            Cause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
            None,
            HISTORY_SERVICE,
        )
    run.history.flush_buffer()


def terminate_open(run: Run, reason: str, details: Payloads | None, identity: str) -> HistoryEvent:
    return run.close(
        Status.WORKFLOW_EXECUTION_STATUS_TERMINATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        WorkflowExecutionTerminatedEventAttributes(
            reason=reason, details=details, identity=identity
        ),
    )
