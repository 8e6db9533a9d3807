"""Queries: asked of a worker through a workflow task, or through a task of their own.

While a workflow task is open, news may be on its way to the worker; a query that comes now waits and
travels with that task. Otherwise it is sent alone, first to the worker that has the run cached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import (
    QueryRejectCondition,
    QueryResultType,
    ResourceExhaustedCause,
    ResourceExhaustedScope,
    TaskQueueKind,
    TaskQueueType,
    WorkflowExecutionStatus,
)
from temporalio.api.errordetails.v1 import (
    QueryFailedFailure,
    ResourceExhaustedFailure,
    WorkflowNotReadyFailure,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History
from temporalio.api.query.v1 import QueryRejected, WorkflowQuery, WorkflowQueryResult
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    QueryWorkflowRequest,
    QueryWorkflowResponse,
    RespondQueryTaskCompletedRequest,
    RespondQueryTaskCompletedResponse,
)

from timeskip.clock import DueTime
from timeskip.server import history_pages, tokens
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.rpcs import rpc
from timeskip.server.task_answers import read_token
from timeskip.server.validation.limits import MAX_PAYLOAD_SIZE
from timeskip.server.validation.queries import validate_query

if TYPE_CHECKING:
    from timeskip.server.matching import TaskQueue as MatchingQueue
    from timeskip.server.run import Run

#: From this attempt on a failing workflow task fails queries as well.
_FAILING_ATTEMPT = 3

_TOO_LARGE = "Blob data size exceeds limit."

#: So many queries of one run may wait for a workflow task.
_BUFFERED_QUERIES = 1


class BufferedQuery:
    """A query that travels with a workflow task; `attached` once a worker has it."""

    __slots__ = ("attached", "call", "query", "query_id")

    def __init__(self, query_id: str, query: WorkflowQuery, call: Call) -> None:
        self.query_id = query_id
        self.query = query
        self.call = call
        self.attached = False


class QueryTask:
    """A query that is a task of its own, in a sticky or in a normal queue."""

    __slots__ = ("call", "due", "identity", "query", "query_id", "queue", "run", "sticky")

    def __init__(self, run: Run, query_id: str, query: WorkflowQuery, call: Call) -> None:
        self.run = run
        self.query_id = query_id
        self.query = query
        self.call = call
        self.sticky = False
        self.queue: MatchingQueue | None = None
        self.due: DueTime | None = None
        #: The worker that has it.
        self.identity = ""

    @property
    def workflow_id(self) -> str:
        return self.run.workflow_id

    def send(self) -> None:
        """Put the task where the run's worker will find it."""
        run = self.run
        queues = run.cluster.queues
        if run.sticky_queue:
            sticky = queues.sticky_queue(run.namespace.name, run.sticky_queue)
            if queues.has_sticky_worker(sticky):
                self.sticky = True
                clock = run.cluster.clock
                self.due = clock.schedule(clock.now() + run.sticky_timeout, self._sticky_timed_out)
                self._enqueue(sticky)
                return
            if run.is_open:
                run.sticky_queue = ""
        self._send_to_anybody()

    @property
    def is_stale(self) -> bool:
        return self.call.answered or self.query_id not in self.run.cluster.query_tasks

    def dispatch(self, poll: Call) -> bool:
        if self.is_stale:
            return False
        if self.due is not None:
            self.due.cancel()
        run = self.run
        assert isinstance(poll.request, PollWorkflowTaskQueueRequest)
        self.identity = poll.request.identity
        response = PollWorkflowTaskQueueResponse(
            task_token=tokens.query_task(run, self.query_id),
            workflow_execution=WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id),
            workflow_type=run.started.workflow_type,
            previous_started_event_id=run.last_completed_started_id,
            attempt=1,
            query=self.query,
            workflow_execution_task_queue=TaskQueue(
                name=run.task_queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL
            ),
        )
        if self.sticky:
            response.history.CopyFrom(History())
        else:
            shown, next_page_token = history_pages.task_page(run, 1, [])
            response.history.events.extend(shown)
            response.next_page_token = next_page_token
        run.cluster.started_queries[self.query_id] = self
        poll.respond(response)
        return True

    def forget(self) -> None:
        cluster = self.run.cluster
        cluster.query_tasks.pop(self.query_id, None)
        cluster.started_queries.pop(self.query_id, None)
        cluster.queries_asked.pop(self.call, None)
        if self.due is not None:
            self.due.cancel()

    def _send_to_anybody(self) -> None:
        run = self.run
        self.sticky = False
        self._enqueue(
            run.cluster.queues.queue(
                run.namespace.name, run.task_queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
            )
        )

    def _enqueue(self, queue: MatchingQueue) -> None:
        self.queue = queue
        self.run.cluster.queues.add(queue, self)

    def _sticky_timed_out(self) -> None:
        """The worker that had the run cached does not answer: ask any other."""
        if self.queue is not None and self in self.queue.tasks:
            self.queue.tasks.remove(self)
        if self.run.is_open:
            self.run.sticky_queue = ""
        self._send_to_anybody()


@rpc("QueryWorkflow")
def query_workflow(
    cluster: Cluster, call: Call, request: QueryWorkflowRequest
) -> QueryWorkflowResponse | None:
    namespace = cluster.namespace(request.namespace)
    validate_query(request)
    run = cluster.run_of(namespace, request.execution)
    rejected = _rejected(run, request.query_reject_condition)
    if rejected is not None:
        return QueryWorkflowResponse(query_rejected=rejected)
    if not run.is_open and not run.last_completed_started_id:
        raise _closed_too_early()
    if not run.had_or_has_workflow_task:
        raise _not_ready("Workflow task is not scheduled yet.")
    if run.workflow_task_attempt >= _FAILING_ATTEMPT:
        raise _not_ready("Unable to query workflow due to Workflow Task in failed state.")
    alone = run.last_completed_started_id and (not run.is_open or run.workflow_task is None)
    if not alone and len(run.queries) >= _BUFFERED_QUERIES:
        raise _too_many()
    query_id = cluster.ids.uuid()
    cluster.queries_asked[call] = run
    if alone:
        _send_alone(run, query_id, request.query, call)
    else:
        _buffer(run, query_id, request.query, call)
    return None


@rpc("RespondQueryTaskCompleted")
def respond_query_task_completed(
    cluster: Cluster, call: Call, request: RespondQueryTaskCompletedRequest
) -> RespondQueryTaskCompletedResponse:
    token = read_token(cluster, request, tokens.parse_query_task)
    task = cluster.query_tasks.get(token.query_id)
    if task is None:
        raise not_found("query task not found, or already expired")
    task.forget()
    if request.query_result.ByteSize() > MAX_PAYLOAD_SIZE:
        task.call.fail(_query_failed(_TOO_LARGE, None))
    elif request.completed_type == QueryResultType.QUERY_RESULT_TYPE_ANSWERED:
        task.call.respond(QueryWorkflowResponse(query_result=request.query_result))
    else:
        failure = request.failure if request.HasField("failure") else None
        task.call.fail(_query_failed(request.error_message, failure))
    return RespondQueryTaskCompletedResponse()


def attach(run: Run, response: PollWorkflowTaskQueueResponse) -> None:
    """Let the waiting queries travel with a workflow task."""
    for query_id, buffered in run.queries.items():
        buffered.attached = True
        response.queries[query_id].CopyFrom(buffered.query)


def settle(run: Run, results: dict[str, WorkflowQueryResult], *, another_task: bool) -> None:
    """After a workflow task: answer what the worker answered, send the rest on its own way.

    Queries stay with the run if another workflow task follows at once.
    """
    for query_id, result in results.items():
        buffered = run.queries.pop(query_id, None)
        if buffered is None:
            continue
        run.cluster.queries_asked.pop(buffered.call, None)
        if result.answer.ByteSize() > MAX_PAYLOAD_SIZE:
            buffered.call.fail(invalid_argument(_TOO_LARGE))
        elif result.result_type == QueryResultType.QUERY_RESULT_TYPE_ANSWERED:
            buffered.call.respond(QueryWorkflowResponse(query_result=result.answer))
        else:
            failure = result.failure if result.HasField("failure") else None
            buffered.call.fail(_query_failed(result.error_message, failure))
    if not another_task:
        _stop_waiting(run)


def _buffer(run: Run, query_id: str, query: WorkflowQuery, call: Call) -> None:
    """Let a query wait for the run's workflow task."""
    run.queries[query_id] = BufferedQuery(query_id, query, call)
    call.on_cancel = lambda: _forget(run, query_id, call)

    def on_news() -> None:
        if query_id not in run.queries:
            return
        if run.is_open:
            run.on_news.append(on_news)
        else:
            _stop_waiting(run)

    run.on_news.append(on_news)


def _stop_waiting(run: Run) -> None:
    """No workflow task will take the waiting queries along: each is sent alone, if it can be."""
    unanswered, run.queries = run.queries, {}
    for buffered in unanswered.values():
        if run.last_completed_started_id:
            _send_alone(run, buffered.query_id, buffered.query, buffered.call)
        else:
            run.cluster.queries_asked.pop(buffered.call, None)
            buffered.call.fail(_closed_too_early())


def _send_alone(run: Run, query_id: str, query: WorkflowQuery, call: Call) -> None:
    task = QueryTask(run, query_id, query, call)
    run.cluster.query_tasks[query_id] = task
    call.on_cancel = task.forget
    task.send()


def _forget(run: Run, query_id: str, call: Call) -> None:
    run.queries.pop(query_id, None)
    run.cluster.queries_asked.pop(call, None)


def _rejected(run: Run, condition: QueryRejectCondition.ValueType) -> QueryRejected | None:
    if run.is_paused:
        return QueryRejected(status=run.status)
    if run.is_open:
        return None
    completed = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED
    if condition == QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_OPEN or (
        condition == QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY
        and run.status != completed
    ):
        return QueryRejected(status=run.status)
    return None


def _query_failed(message: str, failure: Failure | None) -> ServiceError:
    return ServiceError(StatusCode.INVALID_ARGUMENT, message, QueryFailedFailure(failure=failure))


def _too_many() -> ServiceError:
    return ServiceError(
        StatusCode.RESOURCE_EXHAUSTED,
        "consistent query buffer is full, this may be caused by too many queries and workflow "
        "not able to process query fast enough",
        ResourceExhaustedFailure(
            cause=ResourceExhaustedCause.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW,
            scope=ResourceExhaustedScope.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
        ),
    )


def _closed_too_early() -> ServiceError:
    return _not_ready("Workflow execution closed before WorkflowTaskStarted event")


def _not_ready(message: str) -> ServiceError:
    return ServiceError(StatusCode.FAILED_PRECONDITION, message, WorkflowNotReadyFailure())
