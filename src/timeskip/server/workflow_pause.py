"""Pausing a run: it gets no workflow tasks and its waiting activities no workers.

What happens to it meanwhile is written to its history: signals, timers, the ends of activities that
a worker has, timeouts. Readers of the history are told of the pause as if it were the end.
"""

from __future__ import annotations

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history.v1 import (
    HistoryEvent,
    WorkflowExecutionPausedEventAttributes,
    WorkflowExecutionUnpausedEventAttributes,
)
from temporalio.api.workflowservice.v1 import (
    PauseWorkflowExecutionRequest,
    PauseWorkflowExecutionResponse,
    UnpauseWorkflowExecutionRequest,
    UnpauseWorkflowExecutionResponse,
)

from timeskip.server import activities, pause_attribute, workflow_tasks
from timeskip.server.applied_events import applies
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.pauses import Pause
from timeskip.server.rpcs import rpc
from timeskip.server.run import Run
from timeskip.server.termination import HISTORY_SERVICE
from timeskip.server.validation.workflow_pause import validate_pause


@rpc("PauseWorkflowExecution")
def pause_workflow(
    cluster: Cluster, call: Call, request: PauseWorkflowExecutionRequest
) -> PauseWorkflowExecutionResponse:
    run = _open_run(cluster, request)
    if run.is_paused:
        known = run.pause.request_id if run.pause is not None else ""
        if known and known == request.request_id:
            return PauseWorkflowExecutionResponse()
        raise ServiceError(StatusCode.FAILED_PRECONDITION, "workflow is already paused.")
    if run.backoff_due is not None:
        # The real server trips over the workflow task that such a run does not have yet.
        raise ServiceError(StatusCode.INTERNAL, "something went wrong, please retry (c27988bd)")
    workflow_tasks.withdraw(
        run,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_PAUSE_REQUESTED_BEFORE_TASK_STARTED,
        HISTORY_SERVICE,
    )
    event = run.add(
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED,
        WorkflowExecutionPausedEventAttributes(
            identity=request.identity, reason=request.reason, request_id=request.request_id
        ),
    )
    event.worker_may_ignore = True
    for activity in run.activities.values():
        if not activity.is_started:
            activity.withdraw()
    run.commit()
    return PauseWorkflowExecutionResponse()


@rpc("UnpauseWorkflowExecution")
def unpause_workflow(
    cluster: Cluster, call: Call, request: UnpauseWorkflowExecutionRequest
) -> UnpauseWorkflowExecutionResponse:
    run = _open_run(cluster, request)
    if not run.is_paused:
        raise ServiceError(StatusCode.FAILED_PRECONDITION, "workflow is not paused.")
    event = run.add(
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED,
        WorkflowExecutionUnpausedEventAttributes(
            identity=request.identity, reason=request.reason, request_id=request.request_id
        ),
    )
    event.worker_may_ignore = True
    for activity in run.activities.values():
        if not activity.is_started and activity.pause is None:
            activity.withdraw()
            activities.offer_when_due(activity)
    workflow_tasks.schedule_if_needed(run)
    run.commit()
    return UnpauseWorkflowExecutionResponse()


@applies(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED)
def _pause(run: Run, event: HistoryEvent) -> None:
    paused = event.workflow_execution_paused_event_attributes
    since = event.event_time.ToNanoseconds()
    run.status = Status.WORKFLOW_EXECUTION_STATUS_PAUSED
    run.pause = Pause(since, paused.identity, paused.reason, paused.request_id)
    pause_attribute.refresh(run)


@applies(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED)
def _unpause(run: Run, event: HistoryEvent) -> None:
    run.status = Status.WORKFLOW_EXECUTION_STATUS_RUNNING
    run.pause = None
    pause_attribute.refresh(run)


def _open_run(
    cluster: Cluster, request: PauseWorkflowExecutionRequest | UnpauseWorkflowExecutionRequest
) -> Run:
    namespace = cluster.namespace(request.namespace)
    validate_pause(request)
    run = cluster.run_of(
        namespace, WorkflowExecution(workflow_id=request.workflow_id, run_id=request.run_id)
    )
    if not run.is_open:
        raise not_found("workflow execution already completed")
    return run
