"""`DeleteWorkflowExecution`: a run is gone as if it had never been."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    DeleteWorkflowExecutionResponse,
)

from timeskip.server import termination
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.rpcs import rpc
from timeskip.server.validation.executions import validate_workflow_execution

if TYPE_CHECKING:
    from timeskip.server.run import Run


@rpc("DeleteWorkflowExecution")
def delete_workflow(
    cluster: Cluster, call: Call, request: DeleteWorkflowExecutionRequest
) -> DeleteWorkflowExecutionResponse:
    """An open run is terminated first, so that everybody who waits for it is answered.

    When the newest run of a workflow id is deleted, the older ones are found by their run id only.
    """
    namespace = cluster.namespace(request.namespace)
    validate_workflow_execution(request)
    run = cluster.run_of(namespace, request.workflow_execution)
    delete(cluster, run)
    return DeleteWorkflowExecutionResponse()


def delete(cluster: Cluster, run: Run) -> None:
    """Delete a run, see `delete_workflow`."""
    if run.is_open:
        termination.abandon_workflow_task(run)
        termination.terminate_open(
            run, "Delete workflow execution", None, termination.HISTORY_SERVICE
        )
        run.commit()
    namespace = run.namespace
    if namespace.current_run(run.workflow_id) is run:
        del namespace.runs_of[run.workflow_id]
    elif run.workflow_id in namespace.runs_of:
        siblings = namespace.runs_of[run.workflow_id]
        namespace.runs_of[run.workflow_id] = [each for each in siblings if each is not run]
    del cluster.runs[run.run_id]
