"""Requests of clients for updates: `UpdateWorkflowExecution` and `PollWorkflowExecutionUpdate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import Message
from temporalio.api.common.v1 import Link, WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage as Stage
from temporalio.api.errordetails.v1 import WorkflowNotReadyFailure
from temporalio.api.failure.v1 import Failure
from temporalio.api.update.v1 import UpdateRef
from temporalio.api.workflowservice.v1 import (
    PollWorkflowExecutionUpdateRequest,
    PollWorkflowExecutionUpdateResponse,
    UpdateWorkflowExecutionRequest,
    UpdateWorkflowExecutionResponse,
)

from timeskip.server import starting, update_limits, updates, workflow_tasks
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.rpcs import rpc
from timeskip.server.updates import Update, Waiter
from timeskip.server.validation.updates import validate_poll_update, validate_update

if TYPE_CHECKING:
    from timeskip.server.run import Run

#: From this attempt on a failing workflow task fails updates as well.
_FAILING_ATTEMPT = 3


@rpc("UpdateWorkflowExecution")
def update_workflow(
    cluster: Cluster, call: Call, request: UpdateWorkflowExecutionRequest
) -> Message | None:
    namespace = cluster.namespace(request.namespace)
    validate_update(request)
    if not request.request.meta.update_id:
        request.request.meta.update_id = cluster.ids.uuid()
    run = cluster.run_of(namespace, request.workflow_execution)
    update = admit(run, request)
    return Waiter(call, update, request.wait_policy.lifecycle_stage, response).wait()


@rpc("PollWorkflowExecutionUpdate")
def poll_update(
    cluster: Cluster, call: Call, request: PollWorkflowExecutionUpdateRequest
) -> Message | None:
    namespace = cluster.namespace(request.namespace)
    validate_poll_update(request)
    run = cluster.run_of(namespace, request.update_ref.workflow_execution)
    update = run.updates.get(request.update_ref.update_id)
    if update is None:
        raise not_found(f'update "{request.update_ref.update_id}" not found')
    stage = request.wait_policy.lifecycle_stage
    return Waiter(call, update, stage, _poll_response).wait()


def admit(run: Run, request: UpdateWorkflowExecutionRequest) -> Update:
    """The update that a request asks for: the one that has its id, or a new one.

    A new one gets a workflow task if none is open.
    """
    if request.first_execution_run_id not in ("", run.started.first_execution_run_id):
        raise not_found("workflow execution not found")
    known = run.updates.get(request.request.meta.update_id)
    if not run.is_open and known is None:
        raise not_found("workflow execution already completed")
    if run.is_paused:
        raise ServiceError(
            StatusCode.FAILED_PRECONDITION, "Workflow is paused. Cannot update the workflow."
        )
    if run.is_open and run.workflow_task_attempt >= _FAILING_ATTEMPT:
        raise ServiceError(
            StatusCode.FAILED_PRECONDITION,
            "Unable to perform workflow execution update due to Workflow Task in failed state.",
            WorkflowNotReadyFailure(),
        )
    if known is not None:
        return known
    update_limits.require_room(run, request.request)
    update = updates.admit(run, request.request)
    if run.workflow_task is None:
        workflow_tasks.schedule(run, speculative=True)
    return update


def response(update: Update, *, linked: bool = True) -> UpdateWorkflowExecutionResponse:
    """How far an update has come, as the answer to the request for it."""
    return UpdateWorkflowExecutionResponse(
        update_ref=_reference(update),
        outcome=update.outcome,
        stage=update.stage,
        link=_link(update) if linked else None,
    )


def _poll_response(update: Update) -> PollWorkflowExecutionUpdateResponse:
    return PollWorkflowExecutionUpdateResponse(
        outcome=update.outcome, stage=update.stage, update_ref=_reference(update)
    )


def _reference(update: Update) -> UpdateRef:
    run = update.run
    return UpdateRef(
        workflow_execution=WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id),
        update_id=update.id,
    )


def _link(update: Update) -> Link | None:
    """A link to the acceptance; the real server takes every failed update for a rejected one."""
    run = update.run
    if update.stage < Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED:
        return None
    if update.outcome is not None and update.outcome.failure != Failure():
        return Link(
            workflow=Link.Workflow(
                namespace=run.namespace.name,
                workflow_id=run.workflow_id,
                run_id=run.run_id,
                reason="Update rejected",
            )
        )
    return starting.request_link(
        run,
        update.request.request_id,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    )
