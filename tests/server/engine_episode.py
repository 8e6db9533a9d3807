"""An episode: what clients, workers and time may do to the engine, move after move, at random.

Each move has a seed of its own, so an episode that breaks a rule can be cut down to the moves that
matter: the others still do what they did.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import (
    DescribeTaskQueueMode,
    EventType,
    HistoryEventFilterType,
    QueryRejectCondition,
    QueryResultType,
    TaskQueueType,
    WorkflowTaskFailedCause,
)
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.query.v1 import WorkflowQuery, WorkflowQueryResult
from temporalio.api.workflowservice import v1 as api
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    DescribeTaskQueueRequest,
    GetSystemInfoRequest,
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
    GetWorkflowExecutionHistoryReverseRequest,
    GetWorkflowExecutionHistoryReverseResponse,
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    PollNexusTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    QueryWorkflowRequest,
    RegisterNamespaceRequest,
    RequestCancelWorkflowExecutionRequest,
    ResetStickyTaskQueueRequest,
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
    ShutdownWorkerRequest,
    SignalWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)

from tests.server.engine_driver import EngineDriver, Sent
from tests.server.engine_invariants import EngineInvariants, is_valid
from tests.server.engine_requests import (
    ACTIVITY_IDS,
    GARBAGE_TOKENS,
    IDENTITIES,
    UNKNOWN_RUN_ID,
    WORKFLOW_IDS,
    Requests,
)
from timeskip.clock import SECOND
from timeskip.server.activities import ActivityTask
from timeskip.server.calls import Answer
from timeskip.server.errors import HistoryLimitExceeded, StatusCode
from timeskip.server.limits import Limits
from timeskip.server.run import Run
from timeskip.server.workflow_tasks import WorkflowTask

Item = TypeVar("Item")
Move = Callable[["Episode"], None]

#: Moves, and how often each is made in comparison with the others.
_MOVES: dict[Move, int] = {}

_OUTCOMES = ("RespondActivityTaskCompleted", "RespondActivityTaskFailed")
_REPORTS = (*_OUTCOMES, "RespondActivityTaskCanceled", "RecordActivityTaskHeartbeat")
#: Of activities a second; the last one is more than a queue may have.
_RATES = (-1.0, 0.0, 0.01, 1.0, 2.5, 5_000.0)
_TASK_ANSWERS = (
    *_REPORTS,
    "RespondWorkflowTaskCompleted",
    "RespondWorkflowTaskFailed",
    "RespondQueryTaskCompleted",
)
_QUESTIONS = (
    "DescribeNamespace",
    "GetClusterInfo",
    "GetSystemInfo",
    "ListNamespaces",
    "RecordWorkerHeartbeat",
)
_LISTINGS = (
    "ListWorkflowExecutions",
    "ScanWorkflowExecutions",
    "CountWorkflowExecutions",
    "ListOpenWorkflowExecutions",
    "ListClosedWorkflowExecutions",
)
_LIST_FILTERS = (
    "",
    "WorkflowId = 'order'",
    "ExecutionStatus = 'Running' AND WorkflowType = 'Order'",
    "Colour = 'red' OR CloseTime > '2024-01-01T00:00:00Z'",
    "Unknown = 1",
    "WorkflowId = ",
)

#: How the service begins when it says that a command has failed the workflow task.
_BAD_COMMAND = re.compile(
    r"Bad\w+(Attributes|Message)\b|\w+DuplicateId\b|Pending\w+LimitExceeded\b|UnhandledCommand$"
)

_OF_COMMANDS = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED,
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_TIMER_CANCELED,
    EventType.EVENT_TYPE_MARKER_RECORDED,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
    EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
}


def move(often: int) -> Callable[[Move], Move]:
    """Register a move; `often` is its weight among the others."""

    def register(function: Move) -> Move:
        _MOVES[function] = often
        return function

    return register


class Episode:
    """One engine, and random moves on it; its invariants are checked after each."""

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 - immutable
        self.driver = EngineDriver(seed=7, limits=limits)
        self.random = Random(0)
        self.make = Requests(self.random)
        self._invariants = EngineInvariants(self.driver)
        self._readers: list[_Reader] = []

    def step(self, seed: int) -> None:
        """Make the move that this seed stands for; AssertionError if a rule is broken by it."""
        self.random.seed(seed)
        (chosen,) = self.random.choices(list(_MOVES), list(_MOVES.values()))
        chosen(self)
        self.check()

    def check(self) -> None:
        """AssertionError if a rule is broken."""
        self._invariants.check()
        for reader in self._readers:
            reader.check()

    def end(self) -> None:
        """End everything. Nothing is left then, and doing the same again gives the same."""
        driver = self.driver
        for reader in self._readers:
            reader.stop()
        driver.finish()
        self._invariants.check_finished()
        replayed = driver.replayed()
        assert replayed.trace == driver.trace
        assert replayed.histories() == driver.histories()

    # -- clients ----------------------------------------------------------------------------------

    @move(10)
    def _start(self) -> None:
        self.send("StartWorkflowExecution", self.make.start())

    @move(5)
    def _signal_with_start(self) -> None:
        self.send("SignalWithStartWorkflowExecution", self.make.signal_with_start())

    @move(8)
    def _signal(self) -> None:
        request = SignalWorkflowExecutionRequest(
            namespace=self.make.namespace(),
            workflow_execution=self.execution(),
            signal_name="" if self.make.sometimes(0.05) else "approve",
            input=self.make.payloads(),
            request_id=self.make.request_id(),
        )
        self.send("SignalWorkflowExecution", request)

    @move(3)
    def _request_cancel(self) -> None:
        request = RequestCancelWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=self.execution(),
            first_execution_run_id=UNKNOWN_RUN_ID if self.make.sometimes(0.1) else "",
        )
        self.send("RequestCancelWorkflowExecution", request)

    @move(2)
    def _terminate(self) -> None:
        request = TerminateWorkflowExecutionRequest(
            namespace="default", workflow_execution=self.execution()
        )
        self.send("TerminateWorkflowExecution", request)

    @move(1)
    def _delete(self) -> None:
        if self.make.sometimes(0.3):
            request = DeleteWorkflowExecutionRequest(
                namespace="default", workflow_execution=self.execution()
            )
            self.send("DeleteWorkflowExecution", request)

    @move(1)
    def _list_runs(self) -> None:
        method = self.make.one_of(_LISTINGS)
        request = _request(
            method, namespace=self.make.namespace(), query=self.make.one_of(_LIST_FILTERS)
        )
        self._ask(method, request)

    @move(5)
    def _query(self) -> None:
        request = QueryWorkflowRequest(
            namespace="default",
            execution=self.execution(),
            query=WorkflowQuery(query_type="state"),
            query_reject_condition=self.make.one_of(QueryRejectCondition.values()),
        )
        self.send("QueryWorkflow", request)

    @move(3)
    def _read_history(self) -> None:
        """Pages together are the history, with a task that is being tried again at its end."""
        run = self.any_run()
        if run is None:
            return
        events: list[HistoryEvent] = []
        token, size = b"", self.make.one_of((0, 1, 2, 5))
        while token or not events:
            request = GetWorkflowExecutionHistoryRequest(
                namespace=run.namespace.name,
                execution=execution_of(run),
                maximum_page_size=size,
                next_page_token=token,
            )
            answer = self._ask("GetWorkflowExecutionHistory", request).answer
            assert isinstance(answer, GetWorkflowExecutionHistoryResponse)
            events.extend(answer.history.events)
            token = answer.next_page_token
        written = run.history.events
        assert events[: len(written)] == written
        assert len(events) - len(written) <= 2
        assert [event.event_id for event in events] == list(range(1, len(events) + 1))

    @move(2)
    def _read_history_backwards(self) -> None:
        run = self.any_run()
        if run is None:
            return
        events: list[HistoryEvent] = []
        token, size = b"", self.make.one_of((0, 1, 2, 5))
        while token or not events:
            request = GetWorkflowExecutionHistoryReverseRequest(
                namespace=run.namespace.name,
                execution=execution_of(run),
                maximum_page_size=size,
                next_page_token=token,
            )
            answer = self._ask("GetWorkflowExecutionHistoryReverse", request).answer
            assert isinstance(answer, GetWorkflowExecutionHistoryReverseResponse)
            events.extend(answer.history.events)
            token = answer.next_page_token
        assert events[::-1] == run.history.events

    @move(1)
    def _read_history_with_garbage(self) -> None:
        fields: dict[str, Any] = {
            "namespace": self.make.namespace(),
            "execution": self.execution(),
            "next_page_token": self.make.one_of(GARBAGE_TOKENS),
            "maximum_page_size": self.make.one_of((0, -1, -(2**31))),
        }
        self.send("GetWorkflowExecutionHistory", GetWorkflowExecutionHistoryRequest(**fields))
        self.send(
            "GetWorkflowExecutionHistoryReverse",
            GetWorkflowExecutionHistoryReverseRequest(**fields),
        )

    @move(3)
    def _follow_history(self) -> None:
        run = self.any_run()
        if run is not None:
            self._readers.append(_Reader(self.driver, run, only_close=self.make.sometimes(0.5)))

    # -- workers: workflow tasks ------------------------------------------------------------------

    @move(18)
    def _work_on_workflow(self) -> None:
        """Take a workflow task, if one waits, and answer it at once."""
        taken = self._take(WorkflowTask)
        if isinstance(taken, PollWorkflowTaskQueueResponse) and not taken.HasField("query"):
            self._complete(taken)

    @move(6)
    def _poll_workflow_tasks(self) -> None:
        queue = self.make.sticky_queue() if self.make.sometimes(0.5) else self.make.task_queue()
        worker = self.make.one_of(IDENTITIES)
        request = PollWorkflowTaskQueueRequest(
            namespace=self.make.namespace(),
            task_queue=queue,
            identity=worker,
            worker_instance_key=worker,
        )
        timeout = None if self.make.sometimes(0.03) else 60.0
        self.send("PollWorkflowTaskQueue", request, timeout)

    @move(10)
    def _complete_workflow_task(self) -> None:
        """Answer a task that was taken some time ago, and may be stale or answered by now."""
        task = self._recent(self.driver.workflow_tasks)
        if task is not None:
            self._complete(task)

    @move(3)
    def _fail_workflow_task(self) -> None:
        task = self._recent(self.driver.workflow_tasks)
        if task is not None:
            request = RespondWorkflowTaskFailedRequest(
                namespace="default",
                task_token=task.task_token,
                cause=self.make.one_of(WorkflowTaskFailedCause.values()),
                failure=self.make.failure(),
            )
            self.send("RespondWorkflowTaskFailed", request)

    @move(4)
    def _answer_query(self) -> None:
        task = self._recent(self.driver.query_tasks)
        if task is not None:
            request = RespondQueryTaskCompletedRequest(
                namespace="default",
                task_token=task.task_token,
                completed_type=self.make.one_of(QueryResultType.values()),
            )
            self.send("RespondQueryTaskCompleted", request)

    @move(2)
    def _answer_with_garbage(self) -> None:
        method = self.make.one_of(_TASK_ANSWERS)
        request = _request(
            method,
            namespace=self.make.namespace(),
            task_token=self.make.one_of(GARBAGE_TOKENS),
        )
        assert self.send(method, request).refusal is not None

    @move(1)
    def _mix_up_tokens(self) -> None:
        """A token of one kind of task is no token of another."""
        task = self._recent(self.driver.workflow_tasks)
        activity = self._recent(self.driver.activity_tasks)
        if task is None or activity is None:
            return
        for method, token in (
            ("RespondWorkflowTaskCompleted", activity.task_token),
            ("RespondActivityTaskCompleted", task.task_token),
            ("RespondQueryTaskCompleted", task.task_token),
        ):
            sent = self.send(method, _request(method, namespace="default", task_token=token))
            assert sent.refusal is not None

    @move(1)
    def _shut_worker_down(self) -> None:
        request = ShutdownWorkerRequest(
            namespace="default",
            sticky_task_queue=self.make.sticky_queue().name,
            worker_instance_key=self.make.one_of(IDENTITIES),
        )
        self.send("ShutdownWorker", request)

    @move(1)
    def _reset_sticky_queue(self) -> None:
        request = ResetStickyTaskQueueRequest(namespace="default", execution=self.execution())
        self.send("ResetStickyTaskQueue", request)

    # -- workers: activities ----------------------------------------------------------------------

    @move(10)
    def _work_on_activity(self) -> None:
        """Take an activity task, if one waits, and report its end or a heartbeat at once."""
        taken = self._take(ActivityTask)
        if isinstance(taken, PollActivityTaskQueueResponse):
            self._report(self.make.one_of(_REPORTS), task_token=taken.task_token)

    @move(4)
    def _poll_activity_tasks(self) -> None:
        request = PollActivityTaskQueueRequest(
            namespace=self.make.namespace(),
            task_queue=self.make.task_queue(),
            identity=self.make.one_of(IDENTITIES),
        )
        if self.make.sometimes(0.3):
            request.task_queue_metadata.max_tasks_per_second.value = self.make.one_of(_RATES)
        self.send("PollActivityTaskQueue", request)

    @move(8)
    def _report_activity(self) -> None:
        task = self._recent(self.driver.activity_tasks)
        if task is not None:
            self._report(self.make.one_of(_REPORTS), task_token=task.task_token)

    @move(4)
    def _report_activity_by_id(self) -> None:
        execution = self.execution()
        self._report(
            self.make.one_of(_REPORTS) + "ById",
            workflow_id=execution.workflow_id,
            run_id=execution.run_id,
            activity_id="" if self.make.sometimes(0.03) else self.make.one_of(ACTIVITY_IDS),
        )

    # -- everything else --------------------------------------------------------------------------

    @move(1)
    def _poll_nexus_tasks(self) -> None:
        request = PollNexusTaskQueueRequest(
            namespace=self.make.namespace(), task_queue=self.make.task_queue()
        )
        self.send("PollNexusTaskQueue", request)

    @move(1)
    def _describe_task_queue(self) -> None:
        everything = self.make.sometimes(0.5)
        sticky = self.make.sometimes(0.3)
        request = DescribeTaskQueueRequest(
            namespace="default",
            task_queue=self.make.sticky_queue() if sticky else self.make.task_queue(),
            task_queue_type=self.make.one_of(TaskQueueType.values()),
            api_mode=self.make.one_of(DescribeTaskQueueMode.values()),
            report_stats=everything,
            report_pollers=everything,
            include_task_queue_status=everything,
        )
        self._ask("DescribeTaskQueue", request)

    @move(1)
    def _register_namespace(self) -> None:
        retention = self.make.one_of((self.make.bad_time(), Duration(seconds=86_400)))
        request = RegisterNamespaceRequest(
            namespace=self.make.one_of(("default", "third", "")),
            workflow_execution_retention_period=retention,
        )
        self.send("RegisterNamespace", request)

    @move(1)
    def _ask_something(self) -> None:
        method = self.make.one_of(_QUESTIONS)
        self._ask(method, _request(method, namespace=self.make.namespace()))

    @move(1)
    def _ask_what_nobody_answers(self) -> None:
        refusal = self._ask("MakeCoffee", GetSystemInfoRequest()).refusal
        assert refusal is not None
        assert refusal.code == StatusCode.UNIMPLEMENTED
        assert "MakeCoffee" in refusal.message

    # -- time -------------------------------------------------------------------------------------

    @move(8)
    def _jump(self) -> None:
        self.driver.jump()

    @move(6)
    def _let_time_pass(self) -> None:
        seconds = self.make.one_of((0.0005, 0.5, 1.0, 1.0, 5.0, 10.0, 60.0))
        self.driver.advance_to(self.driver.clock.now() + int(seconds * SECOND))

    @move(2)
    def _lose_patience(self) -> None:
        sent = self._recent(self.driver.open_calls)
        if sent is not None:
            self.driver.expire(sent)
            assert sent.answers

    @move(2)
    def _hang_up(self) -> None:
        sent = self._recent(self.driver.open_calls)
        if sent is not None:
            self.driver.hang_up(sent)

    # -- inside -----------------------------------------------------------------------------------

    def send(self, method: str, request: Message, timeout: float | None = 60.0) -> Sent:
        """Send a request; if it is refused, it must not have done anything."""
        before = self.driver.state()
        sent = self.driver.send(method, request, timeout)
        ends = _ends_the_task(method, sent) or isinstance(sent.refusal, HistoryLimitExceeded)
        if sent.refusal is not None and not ends:
            assert self.driver.state() == before, f"{sent.refusal!r}, and yet something changed"
        return sent

    def _ask(self, method: str, request: Message) -> Sent:
        """Send a request that must be answered at once and must not change anything."""
        before = self.driver.state()
        sent = self.driver.send(method, request)
        assert self.driver.state() == before
        assert sent.answers
        return sent

    def _take(self, kind: type[WorkflowTask | ActivityTask]) -> Answer | None:
        """Poll the queue of a task that waits, as a worker that happens to come by."""
        waiting = [
            queue
            for queue in self.driver.cluster.queues
            if any(isinstance(task, kind) and is_valid(task) for task in queue.tasks)
        ]
        if not waiting:
            return None
        queue = self.make.one_of(waiting)
        method = "PollWorkflowTaskQueue" if kind is WorkflowTask else "PollActivityTaskQueue"
        request = _request(
            method,
            namespace=queue.namespace,
            task_queue={"name": queue.name},
            identity=self.make.one_of(IDENTITIES),
        )
        return self.send(method, request).answer

    def _complete(self, task: PollWorkflowTaskQueueResponse) -> None:
        run = self.driver.cluster.runs.get(task.workflow_execution.run_id)
        if run is None:
            return
        results = {
            query_id: WorkflowQueryResult(result_type=self.make.one_of(QueryResultType.values()))
            for query_id in task.queries
            if self.make.sometimes(0.7)
        }
        request = RespondWorkflowTaskCompletedRequest(
            namespace=self.make.namespace(),
            task_token=task.task_token,
            commands=self.make.commands(run),
            sticky_attributes=self.make.sticky_attributes(),
            worker_version_stamp=self.make.worker_version(),
            force_create_new_workflow_task=self.make.sometimes(0.1),
            return_new_workflow_task=self.make.sometimes(0.3),
            query_results=results,
        )
        written = len(run.history.events)
        sent = self.send("RespondWorkflowTaskCompleted", request)
        if sent.refusal is not None:
            for event in run.history.events[written:]:
                assert event.event_type not in _OF_COMMANDS, "a refused command was carried out"

    def _report(self, method: str, **names: Any) -> None:
        details = self.make.payloads()
        request = _request(
            method,
            namespace=self.make.namespace(),
            failure=self.make.failure(),
            result=details,
            details=details,
            last_heartbeat_details=details,
            **names,
        )
        self.send(method, request)

    def execution(self) -> WorkflowExecution:
        """A run as requests name it: mostly one that there is, often the current one."""
        run = self.any_run()
        if run is not None and self.make.sometimes(0.6):
            return execution_of(run)
        named = WorkflowExecution(workflow_id=self.make.one_of(WORKFLOW_IDS))
        if self.make.sometimes(0.1):
            named.run_id = self.make.one_of(("nonsense", UNKNOWN_RUN_ID, UNKNOWN_RUN_ID.upper()))
        return named

    def any_run(self) -> Run | None:
        """A run, more likely an open one."""
        runs = self.driver.runs
        open_runs = [run for run in runs if run.is_open]
        if open_runs and self.make.sometimes(0.8):
            return self.make.one_of(open_runs)
        return self.make.one_of(runs) if runs else None

    def _recent(self, items: Sequence[Item]) -> Item | None:
        """One of the items, more likely a recent one."""
        if not items:
            return None
        return items[-1 - min(int(self.random.expovariate(0.7)), len(items) - 1)]


class _Reader:
    """A client that follows one run's history by long polls."""

    def __init__(self, driver: EngineDriver, run: Run, *, only_close: bool) -> None:
        self._driver = driver
        self._run = run
        self._only_close = only_close
        self._events: list[HistoryEvent] = []
        self._at_end = False
        self._sent = self._read(b"")

    def check(self) -> None:
        """Take what has been answered, ask on, and compare with the run's history."""
        while not self._at_end and (answer := self._sent.answer) is not None:
            assert isinstance(answer, GetWorkflowExecutionHistoryResponse)
            self._events.extend(answer.history.events)
            self._at_end = not answer.next_page_token
            if not self._at_end:
                self._sent = self._read(answer.next_page_token)
        if self._sent.gone:
            return
        assert self._at_end == (not self._run.is_open)
        written = self._run.history.events
        if self._only_close:
            written = written[-1:] if self._at_end else []
        assert [event.event_id for event in self._events] == [event.event_id for event in written]

    def stop(self) -> None:
        if self._sent.is_open:
            self._driver.hang_up(self._sent)

    def _read(self, token: bytes) -> Sent:
        shown = (
            HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT
            if self._only_close
            else HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT
        )
        return self._driver.send(
            "GetWorkflowExecutionHistory",
            GetWorkflowExecutionHistoryRequest(
                namespace=self._run.namespace.name,
                execution=execution_of(self._run),
                wait_new_event=True,
                next_page_token=token,
                history_event_filter_type=shown,
            ),
        )


def execution_of(run: Run) -> WorkflowExecution:
    return WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id)


def _request(method: str, **values: Any) -> Message:
    """A request with those of the values that its type has."""
    request_type = getattr(api, f"{method}Request")
    known = request_type.DESCRIPTOR.fields_by_name
    request: Message = request_type(
        **{name: value for name, value in values.items() if name in known}
    )
    return request


def _ends_the_task(method: str, sent: Sent) -> bool:
    """Whether the refusal is one that fails the workflow task, as a bad command does."""
    refusal = sent.refusal
    if refusal is None:
        return False
    return method == "RespondWorkflowTaskCompleted" and (
        refusal.message == "workflow task heartbeat timeout"
        or _BAD_COMMAND.match(refusal.message) is not None
    )
