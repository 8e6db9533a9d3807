"""Requests without an SDK, for what an SDK would hide."""

from __future__ import annotations

from temporalio.api.common.v1 import WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub


def start_workflow(stub: WorkflowServiceStub, workflow_id: str, task_queue: str) -> str:
    """Start a workflow that nothing serves; its run id."""
    response = stub.StartWorkflowExecution(
        StartWorkflowExecutionRequest(
            namespace="default",
            workflow_id=workflow_id,
            workflow_type=WorkflowType(name="Nobody"),
            task_queue=TaskQueue(name=task_queue),
            request_id=workflow_id,
        )
    )
    run_id: str = response.run_id
    return run_id
