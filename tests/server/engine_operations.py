"""Moves of people who operate running things: resets, changes of options, batches."""

from __future__ import annotations

from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.batch.v1 import (
    BatchOperationCancellation,
    BatchOperationDeletion,
    BatchOperationReset,
    BatchOperationSignal,
    BatchOperationTermination,
)
from temporalio.api.common.v1 import Priority, ResetOptions
from temporalio.api.enums.v1 import (
    BatchOperationState,
    EventType,
    ResetReapplyExcludeType,
    ResetReapplyType,
)
from temporalio.api.workflow.v1 import VersioningOverride, WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    DescribeBatchOperationRequest,
    DescribeBatchOperationResponse,
    ResetWorkflowExecutionRequest,
    StartBatchOperationRequest,
    UpdateWorkflowExecutionOptionsRequest,
)

from tests.server.engine_episode import Episode, execution_of, move

_TASK_ENDS = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
)

_BATCHES: tuple[dict[str, Any], ...] = (
    {"termination_operation": BatchOperationTermination()},
    {"cancellation_operation": BatchOperationCancellation()},
    {"signal_operation": BatchOperationSignal(signal="approve")},
    {"deletion_operation": BatchOperationDeletion()},
    {"reset_operation": BatchOperationReset(options=ResetOptions(first_workflow_task=Empty()))},
    {"reset_operation": BatchOperationReset(options=ResetOptions(last_workflow_task=Empty()))},
)

_FILTERS = ("WorkflowId = 'order'", "ExecutionStatus = 'Completed'", "Unknown = 1")


@move(4)
def reset(episode: Episode) -> None:
    """Mostly to where a workflow task ended, sometimes to anywhere."""
    run = episode.any_run()
    if run is None:
        return
    make = episode.make
    events = run.history.events
    ends = [event.event_id for event in events if event.event_type in _TASK_ENDS]
    anywhere = range(-1, len(events) + 3)
    episode.send(
        "ResetWorkflowExecution",
        ResetWorkflowExecutionRequest(
            namespace=run.namespace.name,
            workflow_execution=execution_of(run),
            reason="a bad deployment",
            request_id=make.one_of((run.request_id, "reset", "another reset", "")),
            workflow_task_finish_event_id=make.one_of(
                anywhere if not ends or make.sometimes(0.2) else ends
            ),
            reset_reapply_type=make.one_of(ResetReapplyType.values()),
            reset_reapply_exclude_types=(
                [make.one_of(ResetReapplyExcludeType.values())] if make.sometimes(0.3) else []
            ),
        ),
    )


@move(2)
def change_options(episode: Episode) -> None:
    make = episode.make
    overridden = make.sometimes(0.5)
    episode.send(
        "UpdateWorkflowExecutionOptions",
        UpdateWorkflowExecutionOptionsRequest(
            namespace="default",
            workflow_execution=episode.execution(),
            workflow_execution_options=WorkflowExecutionOptions(
                versioning_override=VersioningOverride(auto_upgrade=True) if overridden else None,
                priority=Priority(priority_key=make.one_of((1, 2))),
            ),
            update_mask=FieldMask(
                paths=[make.one_of(("versioning_override", "priority", "nonsense"))]
            ),
        ),
    )


@move(1)
def start_batch(episode: Episode) -> None:
    """It is over as soon as it can be asked for."""
    make = episode.make
    if make.sometimes(0.6):
        return
    request = StartBatchOperationRequest(
        namespace="default",
        job_id=make.one_of(("monday", "tuesday", "wednesday")),
        reason="spring cleaning",
        **make.one_of(_BATCHES),
    )
    if make.sometimes(0.5):
        request.visibility_query = make.one_of(_FILTERS)
    else:
        request.executions.extend(episode.execution() for _ in range(2))
    sent = episode.send("StartBatchOperation", request)
    if sent.refusal is None:
        question = DescribeBatchOperationRequest(namespace="default", job_id=request.job_id)
        job = episode.send("DescribeBatchOperation", question).answer
        assert isinstance(job, DescribeBatchOperationResponse)
        assert job.state != BatchOperationState.BATCH_OPERATION_STATE_RUNNING
        done = job.complete_operation_count + job.failure_operation_count
        assert done == job.total_operation_count
