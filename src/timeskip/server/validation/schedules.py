"""Requests that create, update and patch schedules."""

from __future__ import annotations

from typing import Final

from temporalio.api.enums.v1 import WorkflowIdReusePolicy
from temporalio.api.schedule.v1 import Schedule
from temporalio.api.workflow.v1 import NewWorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    PatchScheduleRequest,
    StartWorkflowExecutionRequest,
    UpdateScheduleRequest,
)

from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.schedules.calendar_text import UnreadableError
from timeskip.server.schedules.rows import WORKFLOW_ID_PREFIX
from timeskip.server.schedules.spec import canonical
from timeskip.server.set_fields import copy_set
from timeskip.server.validation.limits import (
    MAX_MEMO_SIZE,
    is_too_long,
    validate_payload_size,
)
from timeskip.server.validation.search_attributes import (
    SearchAttributeTypes,
    validate_search_attributes,
)
from timeskip.server.validation.starts import (
    validate_start_task_queue,
    validate_start_timeouts,
    validate_workflow_id,
    validate_workflow_type,
)

_TIMESTAMP: Final = "-2009-11-10T23:00:00Z"

_MAX_NOTES_LENGTH: Final = 1000

_REUSE_POLICIES: Final = (
    WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_UNSPECIFIED,
    WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
)


def validate_create(request: CreateScheduleRequest, custom: SearchAttributeTypes) -> None:
    """Refuse what the real server refuses, and bring the schedule into the form that it keeps.

    `custom` are the search attributes that were added to the namespace.
    """
    validate_workflow_id(WORKFLOW_ID_PREFIX + request.schedule_id)
    if not request.request_id:
        raise invalid_argument("RequestId is not set on request.")
    _validate_request_id(request.request_id)
    _resolve_spec(request.schedule)
    _validate_action(request.schedule, request.namespace, custom)
    validate_search_attributes(request.search_attributes, request.namespace, custom)
    if request.memo.ByteSize() > MAX_MEMO_SIZE:
        raise invalid_argument("Memo size exceeds limit.")


def validate_update(request: UpdateScheduleRequest, custom: SearchAttributeTypes) -> None:
    """The same for a request that replaces a schedule."""
    _validate_request_id(request.request_id)
    _validate_action(request.schedule, request.namespace, custom)
    _resolve_spec(request.schedule)
    if not request.schedule.action.HasField("start_workflow"):
        raise invalid_argument("Only StartWorkflow action is supported for schedules")
    validate_search_attributes(request.search_attributes, request.namespace, custom)
    if request.HasField("memo"):
        raise ServiceError(
            StatusCode.FAILED_PRECONDITION,
            "memo updates are not supported on workflow-backed schedules",
        )


def validate_patch(request: PatchScheduleRequest) -> None:
    if not request.HasField("patch"):
        raise invalid_argument("Patch is not set on request.")
    _validate_request_id(request.request_id)
    for notes in (request.patch.pause, request.patch.unpause):
        if len(notes.encode()) > _MAX_NOTES_LENGTH:
            raise invalid_argument("Schedule notes exceeds limit.")


def _validate_request_id(request_id: str) -> None:
    if is_too_long(request_id):
        raise invalid_argument("RequestId length exceeds limit.")


def _resolve_spec(schedule: Schedule) -> None:
    try:
        schedule.spec.CopyFrom(canonical(schedule.spec))
    except UnreadableError as error:
        raise invalid_argument(f"Invalid schedule spec: {error}") from None


def _validate_action(schedule: Schedule, namespace: str, custom: SearchAttributeTypes) -> None:
    if schedule.action.HasField("start_workflow"):
        _validate_workflow(schedule.action.start_workflow, namespace, custom)


def _validate_workflow(
    workflow: NewWorkflowExecutionInfo, namespace: str, custom: SearchAttributeTypes
) -> None:
    start = StartWorkflowExecutionRequest(workflow_id=workflow.workflow_id + _TIMESTAMP)
    copy_set(
        workflow,
        start,
        "workflow_type",
        "task_queue",
        "workflow_execution_timeout",
        "workflow_run_timeout",
        "workflow_task_timeout",
    )
    validate_workflow_id(start.workflow_id)
    validate_workflow_type(start)
    validate_start_task_queue(start)
    validate_start_timeouts(start)
    workflow.task_queue.CopyFrom(start.task_queue)
    if workflow.cron_schedule:
        raise invalid_argument("Scheduled workflow must not contain CronSchedule")
    if workflow.workflow_id_reuse_policy not in _REUSE_POLICIES:
        raise invalid_argument("Scheduled workflow must not contain WorkflowIDReusePolicy")
    validate_search_attributes(workflow.search_attributes, namespace, custom)
    validate_payload_size(workflow.input.ByteSize() + workflow.memo.ByteSize())
