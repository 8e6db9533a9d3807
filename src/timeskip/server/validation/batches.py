"""Requests for batch operations."""

from __future__ import annotations

from temporalio.api.enums.v1 import ExecutionType, ResetType
from temporalio.api.workflowservice.v1 import (
    StartBatchOperationRequest,
    StopBatchOperationRequest,
)

from timeskip.server.errors import ServiceError, invalid_argument
from timeskip.server.validation.limits import is_too_long

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
    if operation == "update_workflow_options_operation":
        update = request.update_workflow_options_operation
        if not update.HasField("workflow_execution_options"):
            raise invalid_argument("must provide UpdateOptions")
        if not update.HasField("update_mask"):
            raise invalid_argument("must provide UpdateMask")


def _validate_query(query: str) -> None:
    """Only the grammar matters at this point."""
    # The parser takes a tenth of a second to import, which only those who filter should pay.
    from timeskip.server.visibility.query_syntax import parse_query

    try:
        parse_query(query, table="batch")
    except ServiceError as error:
        what = error.message.partition("malformed SQL query: ")[2]
        raise invalid_argument(f"invalid visibility query: {what}") from None
