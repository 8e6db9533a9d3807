"""The job that makes a workflow: what its started event says, for its code."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.bridge.proto.common import NamespacedWorkflowExecution
from temporalio.bridge.proto.workflow_activation import InitializeWorkflow, WorkflowActivationJob

_COPIED = (
    "workflow_execution_timeout",
    "workflow_run_timeout",
    "workflow_task_timeout",
    "continued_failure",
    "last_completion_result",
    "retry_policy",
    "workflow_execution_expiration_time",
    "memo",
    "search_attributes",
    "priority",
)


def initialize_job(
    attributes: WorkflowExecutionStartedEventAttributes,
    workflow_id: str,
    seed: int,
    start_time: Timestamp,
) -> WorkflowActivationJob:
    """The first job of a run's first activation."""
    job = InitializeWorkflow(
        workflow_type=attributes.workflow_type.name,
        workflow_id=workflow_id,
        arguments=attributes.input.payloads,
        randomness_seed=seed,
        identity=attributes.identity,
        continued_from_execution_run_id=attributes.continued_execution_run_id,
        continued_initiator=attributes.initiator,
        first_execution_run_id=attributes.first_execution_run_id,
        attempt=attributes.attempt,
        cron_schedule=attributes.cron_schedule,
        start_time=start_time,
        original_execution_run_id=attributes.original_execution_run_id,
    )
    for name, payload in attributes.header.fields.items():
        job.headers[name].CopyFrom(payload)
    for field in _COPIED:
        if attributes.HasField(field):  # type: ignore[arg-type]
            getattr(job, field).CopyFrom(getattr(attributes, field))
    if attributes.HasField("first_workflow_task_backoff"):
        job.cron_schedule_to_schedule_interval.CopyFrom(attributes.first_workflow_task_backoff)
    if attributes.HasField("root_workflow_execution"):
        job.root_workflow.CopyFrom(attributes.root_workflow_execution)
    if attributes.HasField("parent_workflow_execution"):
        job.parent_workflow_info.CopyFrom(
            NamespacedWorkflowExecution(
                namespace=attributes.parent_workflow_namespace,
                workflow_id=attributes.parent_workflow_execution.workflow_id,
                run_id=attributes.parent_workflow_execution.run_id,
            )
        )
    return WorkflowActivationJob(initialize_workflow=job)
