"""Batch operations: one request that does the same to many runs.

The real server does so in the background, at a rate that the request may limit. Here everything is
done right after the request has been answered, at the same instant of virtual time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from temporalio.api.batch.v1 import BatchOperationInfo
from temporalio.api.common.v1 import Execution, WorkflowExecution
from temporalio.api.enums.v1 import BatchOperationState, ExecutionType
from temporalio.api.errordetails.v1 import WorkflowExecutionAlreadyStartedFailure
from temporalio.api.workflowservice.v1 import (
    DescribeBatchOperationRequest,
    DescribeBatchOperationResponse,
    ListBatchOperationsRequest,
    ListBatchOperationsResponse,
    StartBatchOperationRequest,
    StartBatchOperationResponse,
    StopBatchOperationRequest,
)

from timeskip.clock import Nanoseconds
from timeskip.server import tokens
from timeskip.server.batch_operations import Operation, identity_of, operation_of
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.namespaces import Namespace
from timeskip.server.rpcs import rpc
from timeskip.server.validation.batches import validate_batch, validate_job_id, validate_stop
from timeskip.server.visibility.listing import runs_that_match

_RUNNING = BatchOperationState.BATCH_OPERATION_STATE_RUNNING
_COMPLETED = BatchOperationState.BATCH_OPERATION_STATE_COMPLETED
_FAILED = BatchOperationState.BATCH_OPERATION_STATE_FAILED

_PAGE_SIZE = 1000

#: What a batch that is chosen by a list filter is for, unless it is for closed runs as well.
_ONLY_OPEN = "({}) AND (ExecutionStatus='Running')"


class BatchJob:
    """One batch operation, and what has come of it."""

    __slots__ = (
        "close_time",
        "completed",
        "failed",
        "operation",
        "request",
        "request_id",
        "run_id",
        "start_time",
        "state",
        "total",
    )

    def __init__(
        self,
        request: StartBatchOperationRequest,
        operation: Operation,
        cluster: Cluster,
    ) -> None:
        self.request = request
        self.operation = operation
        #: The real server's jobs are workflows; clients see the ids when they start a job twice.
        self.run_id = cluster.ids.uuid()
        self.request_id = cluster.ids.uuid()
        self.start_time = cluster.clock.now()
        self.close_time: Nanoseconds | None = None
        self.state: BatchOperationState.ValueType = _RUNNING
        self.total = self.completed = self.failed = 0

    @property
    def targets(self) -> list[Execution]:
        """The executions that were named, in either way to do so."""
        named = [
            Execution(
                type=ExecutionType.EXECUTION_TYPE_WORKFLOW,
                business_id=execution.workflow_id,
                run_id=execution.run_id,
            )
            for execution in self.request.executions
        ]
        return [*named, *self.request.target_executions]

    def close(self, state: BatchOperationState.ValueType, now: Nanoseconds) -> None:
        self.state = state
        self.close_time = now


@rpc("StartBatchOperation")
def start_batch(
    cluster: Cluster, call: Call, request: StartBatchOperationRequest
) -> StartBatchOperationResponse:
    namespace = cluster.namespace(request.namespace)
    validate_batch(request)
    known = namespace.batch_jobs.get(request.job_id)
    if known is not None:
        raise _started_before(known)
    job = BatchJob(request, operation_of(request), cluster)
    namespace.batch_jobs[request.job_id] = job
    cluster.transfers.add(partial(_carry_out, cluster, namespace, job))
    return StartBatchOperationResponse()


@rpc("DescribeBatchOperation")
def describe_batch(
    cluster: Cluster, call: Call, request: DescribeBatchOperationRequest
) -> DescribeBatchOperationResponse:
    job = _job(cluster, request)
    response = DescribeBatchOperationResponse(
        operation_type=job.operation.kind,
        job_id=request.job_id,
        state=job.state,
        total_operation_count=job.total,
        complete_operation_count=job.completed,
        failure_operation_count=job.failed,
        identity=identity_of(job.request),
        reason=job.request.reason,
        query=job.request.visibility_query,
        executions=job.targets,
    )
    response.start_time.FromNanoseconds(job.start_time)
    if job.close_time is not None:
        response.close_time.FromNanoseconds(job.close_time)
    return response


@rpc("ListBatchOperations")
def list_batches(
    cluster: Cluster, call: Call, request: ListBatchOperationsRequest
) -> ListBatchOperationsResponse:
    """In pages, the newest first. A full page has a token even if nothing comes after it."""
    namespace = cluster.namespace(request.namespace)
    jobs = [*reversed(namespace.batch_jobs.values())]
    first = 0
    if request.next_page_token:
        (place,) = tokens.parse_page(request.next_page_token, (int,))
        assert isinstance(place, int)
        first = place
    size = request.page_size if request.page_size > 0 else _PAGE_SIZE
    shown = jobs[first : first + size]
    return ListBatchOperationsResponse(
        operation_info=map(_info, shown),
        next_page_token=tokens.page(first + size) if len(shown) == size else b"",
    )


@rpc("StopBatchOperation")
def stop_batch(cluster: Cluster, call: Call, request: StopBatchOperationRequest) -> None:
    """By the time that anybody can ask for it every job is over."""
    cluster.namespace(request.namespace)
    validate_stop(request)
    _job(cluster, request)
    raise not_found("workflow execution already completed")


def _job(
    cluster: Cluster, request: DescribeBatchOperationRequest | StopBatchOperationRequest
) -> BatchJob:
    namespace = cluster.namespace(request.namespace)
    validate_job_id(request.job_id)
    job = namespace.batch_jobs.get(request.job_id)
    if job is None:
        raise not_found(f"workflow not found for ID: {request.job_id}")
    return job


def _carry_out(cluster: Cluster, namespace: Namespace, job: BatchJob) -> None:
    """Do to each run what is asked."""
    try:
        executions = [*_executions(cluster, namespace, job)]
    except ServiceError:
        job.close(_FAILED, cluster.clock.now())
        return
    job.total = len(executions)
    for execution in executions:
        if _is_done(cluster, job, execution):
            job.completed += 1
        else:
            job.failed += 1
    job.close(_COMPLETED, cluster.clock.now())


def _is_done(cluster: Cluster, job: BatchJob, execution: WorkflowExecution) -> bool:
    """Do what is asked to one run. If it is not there, or not open, mostly nothing is to be done."""
    try:
        job.operation.carry_out(cluster, job.request, execution)
    except ServiceError as error:
        return error.code == StatusCode.NOT_FOUND and not job.operation.needs_run
    return True


def _executions(
    cluster: Cluster, namespace: Namespace, job: BatchJob
) -> Iterator[WorkflowExecution]:
    query = job.request.visibility_query
    if not query:
        for target in job.targets:
            yield WorkflowExecution(workflow_id=target.business_id, run_id=target.run_id)
        return
    if job.operation.only_open:
        query = _ONLY_OPEN.format(query)
    for run in runs_that_match(cluster, namespace, query):
        yield WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id)


def _info(job: BatchJob) -> BatchOperationInfo:
    info = BatchOperationInfo(
        job_id=job.request.job_id, state=job.state, operation_type=job.operation.kind
    )
    info.start_time.FromMicroseconds(job.start_time // 1000)
    if job.close_time is not None:
        info.close_time.FromMicroseconds(job.close_time // 1000)
    return info


def _started_before(job: BatchJob) -> ServiceError:
    return ServiceError(
        StatusCode.ALREADY_EXISTS,
        f"Workflow execution already finished. WorkflowId: {job.request.job_id}, "
        f"RunId: {job.run_id}. Workflow Id reuse policy: reject duplicate workflow Id.",
        WorkflowExecutionAlreadyStartedFailure(
            start_request_id=job.request_id,
            run_id=job.run_id,
            first_execution_run_id=job.run_id,
        ),
    )
