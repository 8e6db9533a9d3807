"""`DescribeWorkflowExecution`: a run as people look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingWorkflowTaskState, TaskQueueKind
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import (
    PendingWorkflowTaskInfo,
    WorkflowExecutionConfig,
    WorkflowExecutionExtendedInfo,
    WorkflowExecutionInfo,
)
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
)

from timeskip.server import (
    activity_description,
    children,
    completion_callbacks,
    nexus_description,
    workflow_options,
)
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.rpcs import rpc
from timeskip.server.validation.executions import validate_execution

if TYPE_CHECKING:
    from timeskip.server.run import Run
    from timeskip.server.workflow_tasks import WorkflowTask

#: How the real server writes a time that is not set: year 1, Go's zero time.
GO_ZERO_TIME = Timestamp(seconds=-62_135_596_800)


@rpc("DescribeWorkflowExecution")
def describe_workflow(
    cluster: Cluster, call: Call, request: DescribeWorkflowExecutionRequest
) -> DescribeWorkflowExecutionResponse:
    namespace = cluster.namespace(request.namespace)
    validate_execution(request)
    run = cluster.run_of(namespace, request.execution)
    response = DescribeWorkflowExecutionResponse(
        execution_config=_config(run),
        workflow_execution_info=execution_info(run),
        pending_activities=[
            activity_description.pending_info(activity)
            for activity in (*run.activities.values(), *run.left_activities)
        ],
        pending_children=map(children.pending_info, run.children.values()),
        pending_nexus_operations=map(nexus_description.pending_info, run.nexus_operations.values()),
        callbacks=map(completion_callbacks.info, run.completion_callbacks),
        workflow_extended_info=_extended_info(run),
    )
    task = run.workflow_task or run.left_workflow_task
    if task is not None:
        response.pending_workflow_task.CopyFrom(_pending_workflow_task(task))
    return response


def execution_info(run: Run) -> WorkflowExecutionInfo:
    """The part of a description that listings show as well."""
    execution = WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id)
    info = WorkflowExecutionInfo(
        execution=execution,
        type=run.started.workflow_type,
        status=run.status,
        history_length=len(run.history.events),
        history_size_bytes=run.history.size_bytes,
        state_transition_count=run.state_transitions,
        task_queue=run.task_queue,
        root_execution=children.root_execution(run),
        first_run_id=run.started.first_execution_run_id,
        most_recent_worker_version_stamp=run.worker_version,
        worker_deployment_name=run.worker_deployment,
        priority=run.priority,
        versioning_info=workflow_options.versioning_info(run),
    )
    info.start_time.FromNanoseconds(run.start_time)
    info.execution_time.FromNanoseconds(
        run.start_time + run.started.first_workflow_task_backoff.ToNanoseconds()
    )
    if run.started.HasField("parent_workflow_execution"):
        info.parent_namespace_id = run.started.parent_workflow_namespace_id
        info.parent_execution.CopyFrom(run.started.parent_workflow_execution)
    info.memo.SetInParent()
    for name, payload in run.memo.items():
        info.memo.fields[name].CopyFrom(payload)
    info.search_attributes.SetInParent()
    for name, payload in run.search_attributes.items():
        info.search_attributes.indexed_fields[name].CopyFrom(payload)
    info.auto_reset_points.CopyFrom(run.reset_points)
    if run.close_time is not None:
        info.close_time.FromNanoseconds(run.close_time)
        info.execution_duration.FromNanoseconds(
            run.close_time - info.execution_time.ToNanoseconds()
        )
    return info


def _config(run: Run) -> WorkflowExecutionConfig:
    started = run.started
    config = WorkflowExecutionConfig(
        task_queue=TaskQueue(name=run.task_queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL),
        default_workflow_task_timeout=started.workflow_task_timeout,
        user_metadata=run.user_metadata,
    )
    if started.HasField("workflow_execution_timeout"):
        config.workflow_execution_timeout.CopyFrom(started.workflow_execution_timeout)
    if started.HasField("workflow_run_timeout"):
        config.workflow_run_timeout.CopyFrom(started.workflow_run_timeout)
    return config


def _extended_info(run: Run) -> WorkflowExecutionExtendedInfo:
    extended = WorkflowExecutionExtendedInfo(
        cancel_requested=run.cancel_requested, reset_run_id=run.reset_run_id
    )
    extended.original_start_time.CopyFrom(run.history.events[0].event_time)
    if run.last_reset_time is not None:
        extended.last_reset_time.FromNanoseconds(run.last_reset_time)
    if run.run_timeout_due is not None:
        extended.run_expiration_time.FromNanoseconds(run.run_timeout_due.when)
    else:
        extended.run_expiration_time.CopyFrom(GO_ZERO_TIME)
    if run.execution_expiration is not None:
        extended.execution_expiration_time.FromNanoseconds(run.execution_expiration)
    if run.pause is not None:
        extended.pause_info.identity = run.pause.identity
        extended.pause_info.reason = run.pause.reason
        extended.pause_info.paused_time.FromNanoseconds(run.pause.since)
    for request_id, (event_type, event) in run.request_ids.items():
        info = extended.request_id_infos[request_id]
        info.event_type = event_type
        info.event_id = event.event_id
        info.buffered = not event.event_id
    return extended


def _pending_workflow_task(task: WorkflowTask) -> PendingWorkflowTaskInfo:
    info = PendingWorkflowTaskInfo(
        state=PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED
        if task.started_event_id
        else PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED,
        attempt=task.attempt,
    )
    info.scheduled_time.FromNanoseconds(task.scheduled_time)
    info.original_scheduled_time.FromNanoseconds(task.original_scheduled_time)
    if task.started_event_id:
        info.started_time.FromNanoseconds(task.started_time)
    return info
