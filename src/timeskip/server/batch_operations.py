"""What batch operations do to each of their runs: what a client could do to one, in the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from temporalio.api.batch.v1 import BatchOperationReset
from temporalio.api.common.v1 import ResetOptions, WorkflowExecution
from temporalio.api.enums.v1 import BatchOperationType, ResetType
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    RequestCancelWorkflowExecutionRequest,
    ResetActivityRequest,
    ResetWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    StartBatchOperationRequest,
    TerminateWorkflowExecutionRequest,
    UnpauseActivityRequest,
    UpdateActivityOptionsRequest,
    UpdateWorkflowExecutionOptionsRequest,
)

from timeskip.server.calls import Answer, Call
from timeskip.server.cluster import Cluster
from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.reset_targets import find_target
from timeskip.server.rpcs import HANDLERS, WORKFLOW_SERVICE
from timeskip.server.set_fields import copy_set

#: Who ends or cancels runs: the part of the service that works off batches.
_BATCHER = "batcher@timeskip"

MakeRequest = Callable[[Cluster, StartBatchOperationRequest, WorkflowExecution], Message]


@dataclass(frozen=True)
class Operation:
    """What is done to each run: the RPC, and the request that is made for it."""

    kind: BatchOperationType.ValueType
    method: str
    make_request: MakeRequest
    #: Whether a list filter chooses among the open runs only.
    only_open: bool = True
    #: Whether it is a failure that there is no such run, rather than nothing to do.
    needs_run: bool = False

    def carry_out(
        self,
        cluster: Cluster,
        batch: StartBatchOperationRequest,
        execution: WorkflowExecution,
    ) -> None:
        """Raises `ServiceError` if a client who asked for it would be refused."""
        rpc = f"{WORKFLOW_SERVICE}/{self.method}"
        request = self.make_request(cluster, batch, execution)
        HANDLERS[rpc](cluster, Call(rpc, request, _ignore), request)


def operation_of(batch: StartBatchOperationRequest) -> Operation:
    """The operation that a batch asks for; UNIMPLEMENTED if timeskip does not do it."""
    name = batch.WhichOneof("operation")
    assert name is not None
    if name not in _OPERATIONS:
        raise ServiceError(
            StatusCode.UNIMPLEMENTED, f"timeskip does not carry out batches of {name} yet"
        )
    return _OPERATIONS[name]


def identity_of(batch: StartBatchOperationRequest) -> str:
    """Who asked for a batch."""
    name = batch.WhichOneof("operation")
    assert name is not None
    identity: str = getattr(batch, name).identity
    return identity


def reset_options(operation: BatchOperationReset) -> ResetOptions:
    """Where a reset goes to, also in the words of older clients."""
    if operation.HasField("options"):
        return operation.options
    options = ResetOptions(reset_reapply_type=operation.reset_reapply_type)
    if operation.reset_type == ResetType.RESET_TYPE_FIRST_WORKFLOW_TASK:
        options.first_workflow_task.CopyFrom(Empty())
    elif operation.reset_type == ResetType.RESET_TYPE_LAST_WORKFLOW_TASK:
        options.last_workflow_task.CopyFrom(Empty())
    return options


def _ignore(answer: Answer) -> None:
    """Nobody waits for the answer of a single operation."""


def _terminate(
    cluster: Cluster, batch: StartBatchOperationRequest, execution: WorkflowExecution
) -> Message:
    """The real server loses the details."""
    return TerminateWorkflowExecutionRequest(
        namespace=batch.namespace,
        workflow_execution=execution,
        reason=batch.reason,
        identity=_BATCHER,
    )


def _signal(
    cluster: Cluster, batch: StartBatchOperationRequest, execution: WorkflowExecution
) -> Message:
    """The real server loses the header."""
    operation = batch.signal_operation
    request = SignalWorkflowExecutionRequest(
        namespace=batch.namespace,
        workflow_execution=execution,
        signal_name=operation.signal,
        identity=operation.identity,
        request_id=cluster.ids.uuid(),
    )
    copy_set(operation, request, "input")
    return request


def _cancel(
    cluster: Cluster, batch: StartBatchOperationRequest, execution: WorkflowExecution
) -> Message:
    return RequestCancelWorkflowExecutionRequest(
        namespace=batch.namespace,
        workflow_execution=execution,
        identity=_BATCHER,
        request_id=cluster.ids.uuid(),
    )


def _delete(
    cluster: Cluster, batch: StartBatchOperationRequest, execution: WorkflowExecution
) -> Message:
    return DeleteWorkflowExecutionRequest(namespace=batch.namespace, workflow_execution=execution)


def _reset(
    cluster: Cluster, batch: StartBatchOperationRequest, execution: WorkflowExecution
) -> Message:
    operation = batch.reset_operation
    options = reset_options(operation)
    run = cluster.run_of(cluster.namespace(batch.namespace), execution)
    run_id, finish_event_id = find_target(run, options)
    return ResetWorkflowExecutionRequest(
        namespace=batch.namespace,
        workflow_execution=WorkflowExecution(workflow_id=execution.workflow_id, run_id=run_id),
        reason=batch.reason,
        workflow_task_finish_event_id=finish_event_id,
        request_id=cluster.ids.uuid(),
        reset_reapply_type=options.reset_reapply_type,
        reset_reapply_exclude_types=options.reset_reapply_exclude_types,
        post_reset_operations=operation.post_reset_operations,
        identity=operation.identity,
    )


def _update_options(
    cluster: Cluster, batch: StartBatchOperationRequest, execution: WorkflowExecution
) -> Message:
    operation = batch.update_workflow_options_operation
    return UpdateWorkflowExecutionOptionsRequest(
        namespace=batch.namespace,
        workflow_execution=execution,
        workflow_execution_options=operation.workflow_execution_options,
        update_mask=operation.update_mask,
        identity=operation.identity,
    )


def _unpause_activities(
    cluster: Cluster, batch: StartBatchOperationRequest, execution: WorkflowExecution
) -> Message:
    operation = batch.unpause_activities_operation
    request = UnpauseActivityRequest(
        namespace=batch.namespace,
        execution=execution,
        identity=operation.identity,
        reset_attempts=operation.reset_attempts,
        reset_heartbeat=operation.reset_heartbeat,
    )
    copy_set(operation, request, "jitter")
    if operation.match_all:
        request.unpause_all = True
    else:
        request.type = operation.type
    return request


def _reset_activities(
    cluster: Cluster, batch: StartBatchOperationRequest, execution: WorkflowExecution
) -> Message:
    operation = batch.reset_activities_operation
    request = ResetActivityRequest(
        namespace=batch.namespace,
        execution=execution,
        identity=operation.identity,
        reset_heartbeat=operation.reset_heartbeat,
        keep_paused=operation.keep_paused,
        restore_original_options=operation.restore_original_options,
    )
    copy_set(operation, request, "jitter")
    if operation.match_all:
        request.match_all = True
    else:
        request.type = operation.type
    return request


def _update_activity_options(
    cluster: Cluster, batch: StartBatchOperationRequest, execution: WorkflowExecution
) -> Message:
    operation = batch.update_activity_options_operation
    if operation.WhichOneof("activity") is None:
        raise invalid_argument("unknown activity type: <nil>")
    request = UpdateActivityOptionsRequest(
        namespace=batch.namespace,
        execution=execution,
        identity=operation.identity,
        restore_original=operation.restore_original,
    )
    copy_set(operation, request, "activity_options", "update_mask")
    if operation.match_all:
        request.match_all = True
    else:
        request.type = operation.type
    return request


_OPERATIONS: dict[str, Operation] = {
    "termination_operation": Operation(
        BatchOperationType.BATCH_OPERATION_TYPE_TERMINATE_WORKFLOW,
        "TerminateWorkflowExecution",
        _terminate,
    ),
    "signal_operation": Operation(
        BatchOperationType.BATCH_OPERATION_TYPE_SIGNAL_WORKFLOW,
        "SignalWorkflowExecution",
        _signal,
    ),
    "cancellation_operation": Operation(
        BatchOperationType.BATCH_OPERATION_TYPE_CANCEL_WORKFLOW,
        "RequestCancelWorkflowExecution",
        _cancel,
    ),
    "deletion_operation": Operation(
        BatchOperationType.BATCH_OPERATION_TYPE_DELETE_WORKFLOW,
        "DeleteWorkflowExecution",
        _delete,
        only_open=False,
    ),
    "reset_operation": Operation(
        BatchOperationType.BATCH_OPERATION_TYPE_RESET_WORKFLOW,
        "ResetWorkflowExecution",
        _reset,
        only_open=False,
        needs_run=True,
    ),
    "update_workflow_options_operation": Operation(
        BatchOperationType.BATCH_OPERATION_TYPE_UPDATE_WORKFLOW_EXECUTION_OPTIONS,
        "UpdateWorkflowExecutionOptions",
        _update_options,
    ),
    "unpause_activities_operation": Operation(
        BatchOperationType.BATCH_OPERATION_TYPE_UNPAUSE_ACTIVITY,
        "UnpauseActivity",
        _unpause_activities,
    ),
    "reset_activities_operation": Operation(
        BatchOperationType.BATCH_OPERATION_TYPE_RESET_ACTIVITY,
        "ResetActivity",
        _reset_activities,
    ),
    "update_activity_options_operation": Operation(
        BatchOperationType.BATCH_OPERATION_TYPE_UPDATE_ACTIVITY_OPTIONS,
        "UpdateActivityOptions",
        _update_activity_options,
    ),
}
