"""Requests for batch operations."""

from __future__ import annotations

from temporalio.api.batch.v1 import (
    BatchOperationResetActivities,
    BatchOperationUnpauseActivities,
    BatchOperationUpdateActivityOptions,
)
from temporalio.api.enums.v1 import ExecutionType, ResetType
from temporalio.api.workflowservice.v1 import (
    StartBatchOperationRequest,
    StopBatchOperationRequest,
)

from timeskip.server.errors import ServiceError, invalid_argument
from timeskip.server.validation.limits import is_too_long

_OF_STANDALONE_ACTIVITIES = (
    "cancel_activities_operation",
    "terminate_activities_operation",
    "delete_activities_operation",
)

_NO_ACTIVITY = "Either activity type must be set, or match all should be set to true"

_RESET_TYPES = (
    ResetType.RESET_TYPE_FIRST_WORKFLOW_TASK,
    ResetType.RESET_TYPE_LAST_WORKFLOW_TASK,
)


def validate_batch(request: StartBatchOperationRequest) -> None:
    """Refuse a batch as the real server does, whatever becomes of its single operations."""
    operation = request.WhichOneof("operation")
    chosen = [
        choice
        for choice in (request.visibility_query, request.executions, request.target_executions)
        if choice
    ]
    if operation is None or not request.reason or not chosen:
        raise invalid_argument(
            "must provide required parameters: BatchType,Reason,Namespace, AND one of "
            "(Query OR Executions OR TargetExecutions)"
        )
    if len(chosen) > 1:
        raise invalid_argument(
            "visibility query, executions, and target executions are mutually exclusive"
        )
    if operation not in _OF_STANDALONE_ACTIVITIES:
        _validate_targets(request, operation)
    validate_job_id(request.job_id)
    _validate_operation(request)
    if request.visibility_query:
        _validate_query(request.visibility_query)
    if is_too_long(request.job_id):
        raise invalid_argument("WorkflowId exceeds length limit.")


def validate_job_id(job_id: str) -> None:
    if not job_id:
        raise invalid_argument("JobId is not set on request.")


def validate_stop(request: StopBatchOperationRequest) -> None:
    validate_job_id(request.job_id)
    if not request.reason:
        raise invalid_argument("Reason is not set on request.")


def _validate_targets(request: StartBatchOperationRequest, operation: str) -> None:
    for index, target in enumerate(request.target_executions):
        if target.type != ExecutionType.EXECUTION_TYPE_WORKFLOW:
            kind = ExecutionType.Name(target.type).removeprefix("EXECUTION_TYPE_").title()
            variant = operation.title().replace("_", "")
            raise invalid_argument(
                f"target_executions[{index}] has type {kind}, but operation "
                f"*workflowservice.StartBatchOperationRequest_{variant} requires Workflow"
            )


def _validate_operation(request: StartBatchOperationRequest) -> None:
    operation = request.WhichOneof("operation")
    if operation == "signal_operation" and not request.signal_operation.signal:
        raise invalid_argument("must provide signal name")
    if operation == "reset_operation":
        reset = request.reset_operation
        if reset.HasField("options"):
            if reset.options.WhichOneof("target") is None:
                raise invalid_argument("batch reset missing target")
        elif reset.reset_type not in _RESET_TYPES:
            name = "Unspecified" if not reset.reset_type else str(reset.reset_type)
            raise invalid_argument(f"unknown batch reset type {name}")
    if operation == "unpause_activities_operation":
        _validate_choice(request.unpause_activities_operation, "activity filter must be set")
    if operation == "reset_activities_operation":
        _validate_choice(
            request.reset_activities_operation, "must provide ActivityType or MatchAll"
        )
    if operation == "update_activity_options_operation":
        _validate_options(request.update_activity_options_operation)
    if operation == "update_workflow_options_operation":
        update = request.update_workflow_options_operation
        if not update.HasField("workflow_execution_options"):
            raise invalid_argument("must provide UpdateOptions")
        if not update.HasField("update_mask"):
            raise invalid_argument("must provide UpdateMask")


def _validate_choice(
    operation: BatchOperationUnpauseActivities | BatchOperationResetActivities, if_missing: str
) -> None:
    """Refuse an operation that is for no activity."""
    if operation.WhichOneof("activity") is None:
        raise invalid_argument(if_missing)
    if not operation.type and not operation.match_all:
        raise invalid_argument(_NO_ACTIVITY)


def _validate_options(operation: BatchOperationUpdateActivityOptions) -> None:
    if operation.restore_original and operation.HasField("activity_options"):
        raise invalid_argument("cannot set both activity options and restore original")
    if operation.restore_original:
        return
    if not operation.HasField("activity_options"):
        raise invalid_argument(
            "Either activity type must be set, or restore original should be set to true"
        )
    if operation.WhichOneof("activity") and not (operation.type or operation.match_all):
        raise invalid_argument(_NO_ACTIVITY)


def _validate_query(query: str) -> None:
    """Only the grammar matters at this point."""
    # The parser takes a tenth of a second to import, which only those who filter should pay.
    from timeskip.server.visibility.query_syntax import parse_query

    try:
        parse_query(query, table="batch")
    except ServiceError as error:
        what = error.message.partition("malformed SQL query: ")[2]
        raise invalid_argument(f"invalid visibility query: {what}") from None
