"""Children in odd relations to their parents."""

from __future__ import annotations

from temporalio.api.command.v1 import Command, StartChildWorkflowExecutionCommandAttributes
from temporalio.api.common.v1 import WorkflowType
from temporalio.api.enums.v1 import CommandType, ParentClosePolicy, WorkflowIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue

from tests.server.hand_worker import QUEUE, HandWorker, event_names


def test_child_may_take_the_workflow_id_of_its_parent() -> None:
    """The real server locks itself out here and never goes on."""
    worker = HandWorker()
    parent = worker.start()
    attributes = StartChildWorkflowExecutionCommandAttributes(
        workflow_id=parent.workflow_id,
        workflow_type=WorkflowType(name="Order"),
        task_queue=TaskQueue(name=QUEUE),
        workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING,
        parent_close_policy=ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON,
    )
    command = Command(
        command_type=CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION,
        start_child_workflow_execution_command_attributes=attributes,
    )
    worker.complete(worker.workflow_task(), command)
    assert event_names(parent)[-1] == "WORKFLOW_EXECUTION_TERMINATED"
    child = worker.cluster.namespaces["default"].current_run(parent.workflow_id)
    assert child is not None
    assert child.is_open
    assert child.started.parent_workflow_execution.run_id == parent.run_id
