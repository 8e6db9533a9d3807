"""Requests that start a workflow."""

from __future__ import annotations

from typing import Final

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.callbacks import validate_callbacks
from timeskip.server.validation.cron import validate_cron_schedule
from timeskip.server.validation.durations import cap, why_invalid
from timeskip.server.validation.limits import (
    MAX_ID_LENGTH,
    MAX_MEMO_SIZE,
    byte_length,
    is_too_long,
    validate_payload_size,
)
from timeskip.server.validation.links import validate_links
from timeskip.server.validation.priority import validate_priority
from timeskip.server.validation.retry_policy import validate_retry_policy
from timeskip.server.validation.search_attributes import (
    SearchAttributeTypes,
    validate_search_attributes,
)
from timeskip.server.validation.task_queues import fill_kind, validate_user_task_queue
from timeskip.server.validation.time_skipping import refuse_time_skipping
from timeskip.server.validation.versioning_override import validate_start_override
from timeskip.server.validation.worker_versions import refuse_versioned

StartRequest = StartWorkflowExecutionRequest | SignalWithStartWorkflowExecutionRequest

_TERMINATE_IF_RUNNING: Final = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING
_REJECT_DUPLICATE: Final = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
_TERMINATE_EXISTING: Final = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING


def validate_start(
    request: StartWorkflowExecutionRequest, search_attributes: SearchAttributeTypes
) -> None:
    """Refuse a start as the real server does, once its namespace is known to exist.

    Fills in the retry policy's defaults and the kind of the task queue, and caps timeouts and the
    start delay. `search_attributes` are the custom ones of the namespace.
    """
    validate_workflow_id(request.workflow_id)
    validate_run_retry_policy(request)
    validate_start_delay(request)
    validate_cron_schedule(request.cron_schedule)
    validate_workflow_type(request)
    validate_start_task_queue(request)
    validate_start_timeouts(request)
    if is_too_long(request.request_id):
        raise invalid_argument("RequestId length exceeds limit.")
    validate_id_policies(request)
    conflict = request.on_conflict_options
    if conflict.attach_completion_callbacks and not conflict.attach_request_id:
        raise invalid_argument(
            "attaching request ID is required for attaching completion callbacks"
        )
    validate_search_attributes(request.search_attributes, request.namespace, search_attributes)
    validate_priority(request.priority)
    validate_callbacks(request.completion_callbacks)
    validate_links(request.links)
    refuse_time_skipping(request)
    validate_start_sizes(request)
    validate_version(request)


def validate_workflow_id(workflow_id: str) -> None:
    if not workflow_id:
        raise invalid_argument("WorkflowId is not set on request.")
    if is_too_long(workflow_id):
        raise invalid_argument(
            "WorkflowId exceeds maximum allowed length "
            f"({byte_length(workflow_id)}/{MAX_ID_LENGTH})"
        )


def validate_workflow_type(request: StartRequest) -> None:
    if not request.workflow_type.name:
        raise invalid_argument("WorkflowType is not set on request.")
    if is_too_long(request.workflow_type.name):
        raise invalid_argument("WorkflowType length exceeds limit.")


def validate_run_retry_policy(request: StartRequest) -> None:
    """A run without a policy is not retried, so nothing is filled in then."""
    if request.HasField("retry_policy"):
        validate_retry_policy(request.retry_policy)


def validate_start_delay(request: StartRequest) -> None:
    """A cron schedule decides itself when the first run begins."""
    if request.cron_schedule and request.HasField("workflow_start_delay"):
        raise invalid_argument("CronSchedule and WorkflowStartDelay may not be used together.")
    _validate_timeout(request.workflow_start_delay, "WorkflowStartDelaySeconds")


def validate_start_task_queue(request: StartRequest) -> None:
    validate_user_task_queue(request.task_queue if request.HasField("task_queue") else None)
    fill_kind(request.task_queue)


def validate_start_timeouts(request: StartRequest) -> None:
    _validate_timeout(request.workflow_execution_timeout, "WorkflowExecutionTimeoutSeconds")
    _validate_timeout(request.workflow_run_timeout, "WorkflowRunTimeoutSeconds")
    _validate_timeout(request.workflow_task_timeout, "WorkflowTaskTimeoutSeconds")


def validate_id_policies(request: StartRequest) -> None:
    """Combinations that contradict themselves."""
    reuse, conflict = request.workflow_id_reuse_policy, request.workflow_id_conflict_policy
    if conflict and reuse == _TERMINATE_IF_RUNNING:
        raise invalid_argument(
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING "
            "cannot be used together with a WorkflowIDConflictPolicy"
        )
    if conflict == _TERMINATE_EXISTING and reuse == _REJECT_DUPLICATE:
        raise invalid_argument(
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE "
            "cannot be used together with "
            "WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"
        )


def validate_version(request: StartRequest) -> None:
    """What is said of the version of the workers that are to run it, if anything is."""
    if request.HasField("versioning_override"):
        validate_start_override(request.versioning_override, request.task_queue.name)
    if isinstance(request, StartWorkflowExecutionRequest):
        refuse_versioned(None, request.eager_worker_deployment_options)


def validate_start_sizes(request: StartRequest) -> None:
    validate_payload_size(request.input.ByteSize())
    if request.memo.ByteSize() > MAX_MEMO_SIZE:
        raise invalid_argument("Memo size exceeds limit.")


def _validate_timeout(timeout: Duration, told_as: str) -> None:
    if reason := why_invalid(timeout):
        raise invalid_argument(f"An invalid {told_as} is set on request. cause: {reason}")
    cap(timeout)
