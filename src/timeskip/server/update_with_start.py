"""`ExecuteMultiOperation`: an update of a run that is started for it unless it is there already."""

from __future__ import annotations

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy
from temporalio.api.errordetails.v1 import MultiOperationExecutionFailure
from temporalio.api.failure.v1 import MultiOperationExecutionAborted
from temporalio.api.workflowservice.v1 import (
    ExecuteMultiOperationRequest,
    ExecuteMultiOperationResponse,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
    UpdateWorkflowExecutionRequest,
    UpdateWorkflowExecutionResponse,
)

from timeskip.server import starting, update_requests
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.namespaces import Namespace
from timeskip.server.rpcs import rpc
from timeskip.server.run import Run
from timeskip.server.updates import Waiter
from timeskip.server.validation.starts import validate_start
from timeskip.server.validation.updates import validate_update

_USE_EXISTING = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING

_Status = MultiOperationExecutionFailure.OperationStatus


@rpc("ExecuteMultiOperation")
def execute_multi_operation(
    cluster: Cluster, call: Call, request: ExecuteMultiOperationRequest
) -> Message | None:
    namespace = cluster.namespace(request.namespace)
    operations = [operation.WhichOneof("operation") for operation in request.operations]
    if operations != ["start_workflow", "update_workflow"]:
        raise invalid_argument("Operations have to be exactly [Start, Update].")
    start = request.operations[0].start_workflow
    wanted = request.operations[1].update_workflow
    _validate(namespace, start, wanted)
    if not wanted.request.meta.update_id:
        wanted.request.meta.update_id = cluster.ids.uuid()

    run = _existing(namespace, start, wanted)
    if run is not None:
        started = StartWorkflowExecutionResponse(run_id=run.run_id, status=run.status)
        done = run.updates.get(wanted.request.meta.update_id)
        if done is not None and done.outcome is not None:
            # The real server gives no links to what has been long ago.
            return _answer(started, update_requests.response(done, linked=False))
        started.link.CopyFrom(starting.started_link(run))
    else:
        try:
            started = starting.start(cluster, start)
        except ServiceError as error:
            raise _failure(error, _ABORTED) from None
        run = cluster.runs[started.run_id]
    of_start = None if started.started else _ABORTED
    try:
        update = update_requests.admit(run, wanted)
    except ServiceError as error:
        raise _failure(_ABORTED, error) from None

    return Waiter(
        call,
        update,
        wanted.wait_policy.lifecycle_stage,
        lambda update: _answer(started, update_requests.response(update)),
        refusal=lambda error: _failure(of_start, error),
    ).wait()


def _answer(
    started: StartWorkflowExecutionResponse, updated: UpdateWorkflowExecutionResponse
) -> ExecuteMultiOperationResponse:
    answer = ExecuteMultiOperationResponse()
    answer.responses.add(start_workflow=started)
    answer.responses.add(update_workflow=updated)
    return answer


def _existing(
    namespace: Namespace,
    start: StartWorkflowExecutionRequest,
    wanted: UpdateWorkflowExecutionRequest,
) -> Run | None:
    """The run that takes the update, or has taken it, without a new one being started."""
    run = namespace.current_run(start.workflow_id)
    if run is None:
        return None
    known = run.updates.get(wanted.request.meta.update_id)
    if known is not None and (run.is_open or known.outcome is not None):
        return run
    if not run.is_open:
        return None
    dedupes = run.request_id == start.request_id
    return run if dedupes or start.workflow_id_conflict_policy == _USE_EXISTING else None


def _validate(
    namespace: Namespace,
    start: StartWorkflowExecutionRequest,
    wanted: UpdateWorkflowExecutionRequest,
) -> None:
    """Refuse what either operation alone is refused for, or what they cannot do together."""
    of_start = of_update = None
    try:
        _check_start(namespace, start)
    except ServiceError as error:
        of_start = error
    try:
        _check_update(namespace, wanted)
        if of_start is None and wanted.workflow_execution.workflow_id != start.workflow_id:
            raise invalid_argument("WorkflowId is not consistent with previous operation(s).")
    except ServiceError as error:
        of_update = error
    if of_start is not None or of_update is not None:
        raise _failure(of_start or _ABORTED, of_update or _ABORTED)


def _check_start(namespace: Namespace, start: StartWorkflowExecutionRequest) -> None:
    _check_namespace(namespace, start.namespace)
    validate_start(start, namespace.search_attributes)
    if start.cron_schedule:
        raise invalid_argument("CronSchedule is not allowed.")
    if start.request_eager_execution:
        raise invalid_argument("RequestEagerExecution is not supported.")
    if start.workflow_start_delay.ToNanoseconds():
        raise invalid_argument("WorkflowStartDelay is not supported.")


def _check_update(namespace: Namespace, wanted: UpdateWorkflowExecutionRequest) -> None:
    _check_namespace(namespace, wanted.namespace)
    validate_update(wanted)
    if wanted.first_execution_run_id:
        raise invalid_argument("FirstExecutionRunId is not allowed.")
    if wanted.workflow_execution.run_id:
        raise invalid_argument("RunId is not allowed.")


def _check_namespace(namespace: Namespace, name: str) -> None:
    if name != namespace.name:
        raise invalid_argument("Operation namespace did not match request's namespace.")


#: What is said of an operation that could have succeeded but for the other.
_ABORTED = ServiceError(
    StatusCode.ABORTED, "Operation was aborted.", MultiOperationExecutionAborted()
)


def _failure(of_start: ServiceError | None, of_update: ServiceError | None) -> ServiceError:
    """The failure of both operations; None stands for one that succeeded."""
    blamed = of_update if of_start is None or of_start is _ABORTED else of_start
    assert blamed is not None
    return ServiceError(
        blamed.code,
        "Update-with-Start could not be executed.",
        MultiOperationExecutionFailure(statuses=[_status(of_start), _status(of_update)]),
    )


def _status(error: ServiceError | None) -> _Status:
    if error is None:
        return _Status()
    status = _Status(code=int(error.code), message=error.message)
    for detail in error.details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status
