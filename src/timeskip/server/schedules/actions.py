"""What schedules do: they start workflows, and cancel or terminate those that they have started."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import ScheduleOverlapPolicy, WorkflowIdReusePolicy
from temporalio.api.workflowservice.v1 import (
    RequestCancelWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)

from timeskip.clock import SECOND, datetime_of
from timeskip.server import cancellation, starting, termination
from timeskip.server.calls import Answer, Call
from timeskip.server.rpcs import WORKFLOW_SERVICE
from timeskip.server.schedules.overlap import Start
from timeskip.server.set_fields import copy_set

if TYPE_CHECKING:
    from timeskip.server.schedules.schedule import Schedule


def start(schedule: Schedule, action: Start) -> WorkflowExecution:
    """Start the workflow of an action. Raises `ServiceError` as for a client who starts it."""
    workflow = schedule.schedule.action.start_workflow
    nominal = f"{datetime_of(action.nominal // SECOND * SECOND):%Y-%m-%dT%H:%M:%SZ}"
    request = StartWorkflowExecutionRequest(
        namespace=schedule.namespace.name,
        workflow_id=f"{workflow.workflow_id}-{nominal}",
        identity=_identity(schedule),
        request_id=schedule.cluster.ids.uuid(),
        workflow_id_reuse_policy=(
            WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
            if action.manual
            else WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
        ),
    )
    copy_set(
        workflow,
        request,
        "workflow_type",
        "task_queue",
        "input",
        "workflow_execution_timeout",
        "workflow_run_timeout",
        "workflow_task_timeout",
        "retry_policy",
        "memo",
        "search_attributes",
        "header",
        "user_metadata",
        "versioning_override",
        "priority",
    )
    attributes = request.search_attributes.indexed_fields
    attributes["TemporalScheduledStartTime"].CopyFrom(_payload(nominal))
    attributes["TemporalScheduledById"].CopyFrom(_payload(schedule.id))
    if action.overlap_policy != ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL:
        if schedule.last_result is not None:
            request.last_completion_result.CopyFrom(schedule.last_result)
        if schedule.last_failure is not None:
            request.continued_failure.CopyFrom(schedule.last_failure)
    response = starting.start(schedule.cluster, request)
    return WorkflowExecution(workflow_id=request.workflow_id, run_id=response.run_id)


def cancel(schedule: Schedule, first_run: WorkflowExecution) -> None:
    """Ask the workflow that began with this run to cancel itself."""
    request = RequestCancelWorkflowExecutionRequest(
        namespace=schedule.namespace.name,
        workflow_execution=WorkflowExecution(workflow_id=first_run.workflow_id),
        identity=_identity(schedule),
        request_id=schedule.cluster.ids.uuid(),
        first_execution_run_id=first_run.run_id,
        reason="cancelled by schedule overlap policy",
    )
    cancellation.request_cancel_workflow(
        schedule.cluster, _call("RequestCancelWorkflowExecution", request), request
    )


def terminate(schedule: Schedule, first_run: WorkflowExecution) -> None:
    """Terminate the workflow that began with this run."""
    request = TerminateWorkflowExecutionRequest(
        namespace=schedule.namespace.name,
        workflow_execution=WorkflowExecution(workflow_id=first_run.workflow_id),
        identity=_identity(schedule),
        first_execution_run_id=first_run.run_id,
        reason="terminated by schedule overlap policy",
    )
    termination.terminate_workflow(
        schedule.cluster, _call("TerminateWorkflowExecution", request), request
    )


def _identity(schedule: Schedule) -> str:
    return f"temporal-scheduler-{schedule.namespace.name}-{schedule.id}"


def _call(method: str, request: Message) -> Call:
    return Call(f"{WORKFLOW_SERVICE}/{method}", request, _ignore)


def _ignore(answer: Answer) -> None:
    """Nobody waits for the answer."""


def _payload(value: str) -> Payload:
    return Payload(
        metadata={"encoding": b"json/plain"},
        data=json.dumps(value, ensure_ascii=False).encode(),
    )
