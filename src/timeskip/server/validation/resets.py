"""Requests to reset a run."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.api.enums.v1 import ResetReapplyType
from temporalio.api.workflow.v1 import PostResetOperation
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.validation.executions import validate_workflow_execution
from timeskip.server.validation.limits import is_too_long
from timeskip.server.validation.workflow_options import (
    validate_mask,
    validate_options,
    validate_paths,
)


def validate_reset(request: ResetWorkflowExecutionRequest) -> None:
    """Refuse a reset as the real server does, before it looks for the run."""
    if not request.request_id:
        raise invalid_argument("RequestId is not set on request.")
    if is_too_long(request.request_id):
        raise invalid_argument("RequestId length exceeds limit.")
    validate_workflow_execution(request)
    if request.reset_reapply_type not in ResetReapplyType.values():
        # The real server trips over it.
        raise ServiceError(StatusCode.INTERNAL, "something went wrong, please retry (9437e4fd)")


def validate_post_reset_operations(operations: Iterable[PostResetOperation]) -> None:
    """Refuse what the real server cannot do after a reset, or not so."""
    for operation in operations:
        kind = operation.WhichOneof("variant")
        if kind == "signal_workflow":
            raise _unsupported("*workflow.PostResetOperation_SignalWorkflow_")
        if kind is None:
            raise _unsupported("<nil>")
        update = operation.update_workflow_options
        validate_mask(update.update_mask, "error applying update_options")
        validate_paths(update.update_mask.paths)
        validate_options(update.workflow_execution_options)


def _unsupported(kind: str) -> Exception:
    return invalid_argument(f"unsupported post reset operation: {kind}")
