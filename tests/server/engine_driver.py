"""Drives the sans-IO engine by hand and keeps a script of all that was done to it.

A script can be played again on a fresh engine; the same script has to give the same answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedResponse,
    StartWorkflowExecutionResponse,
    TerminateWorkflowExecutionRequest,
)

from timeskip.clock import Nanoseconds, VirtualClock
from timeskip.server.calls import Answer, Call
from timeskip.server.errors import ServiceError
from timeskip.server.limits import Limits
from timeskip.server.rpcs import WORKFLOW_SERVICE
from timeskip.server.run import Run
from timeskip.server.service import Service

NAMESPACES = ("default", "other")

#: More things than this at one instant, and time does not get on any more.
_BUSY_INSTANT = 1_000


class Frozen(AssertionError):  # noqa: N818 - says what is the matter
    """Something makes itself due again at the instant at which it is done, for ever."""


class WatchedClock(VirtualClock):
    """A virtual clock that notices an endless loop at one instant."""

    def __init__(self) -> None:
        super().__init__()
        self._done_at_once = 0

    def advance_to(self, when: Nanoseconds) -> None:
        super().advance_to(when)
        self._done_at_once = 0

    def take_due(self) -> Any:
        self._done_at_once += 1
        if self._done_at_once > _BUSY_INSTANT:
            raise Frozen("things are due again and again while time stands still")
        return super().take_due()


@dataclass(eq=False)
class Sent:
    """A request that was sent, and what came of it."""

    call: Call
    answers: list[Answer] = field(default_factory=list)
    #: The caller has hung up.
    gone: bool = False

    @property
    def is_open(self) -> bool:
        return not self.answers and not self.gone

    @property
    def answer(self) -> Answer | None:
        return self.answers[0] if self.answers else None

    @property
    def refusal(self) -> ServiceError | None:
        answer = self.answer
        return answer if isinstance(answer, ServiceError) else None


@dataclass(frozen=True)
class State:
    """What a reader can see of every run, with what is on its way to them."""

    runs: dict[str, tuple[int, int, bytes]]
    waiting_tasks: int


class EngineDriver:
    """One engine, everything that was sent to it, and every task that it gave to a worker."""

    def __init__(self, seed: int = 0, limits: Limits = Limits()) -> None:  # noqa: B008 - immutable
        self.clock = WatchedClock()
        self.service = Service(self.clock, seed=seed, namespaces=NAMESPACES)
        self.cluster = self.service.cluster
        self.cluster.limits = limits
        self.cluster.answers_polls_at_shutdown = True
        self.cluster.namespaces["default"].search_attributes["Colour"] = (
            IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        )
        self.seed = seed
        self.sent: list[Sent] = []
        self.workflow_tasks: list[PollWorkflowTaskQueueResponse] = []
        self.query_tasks: list[PollWorkflowTaskQueueResponse] = []
        self.activity_tasks: list[PollActivityTaskQueueResponse] = []
        self.script: list[tuple[Any, ...]] = []
        self.trace: list[tuple[int, bytes]] = []

    @property
    def runs(self) -> list[Run]:
        return list(self.cluster.runs.values())

    @property
    def open_calls(self) -> list[Sent]:
        return [sent for sent in self.sent if sent.is_open]

    # -- requests ---------------------------------------------------------------------------------

    def send(self, method: str, request: Message, timeout: float | None = 60.0) -> Sent:
        """Send a request to the workflow service."""
        # The service completes requests in place; the script keeps them as they were sent.
        copied = type(request)()
        copied.CopyFrom(request)
        self.script.append(("send", method, copied, timeout))
        number = len(self.sent)

        def deliver(answer: Answer) -> None:
            assert not sent.gone, f"{method} was answered although its caller had hung up"
            assert not sent.answers, f"{method} was answered twice"
            sent.answers.append(answer)
            self.trace.append((number, _bytes_of(answer)))
            self._take_tasks(answer)

        call = Call(f"{WORKFLOW_SERVICE}/{method}", request, deliver, timeout=timeout)
        sent = Sent(call)
        self.sent.append(sent)
        self.service.handle(call)
        return sent

    def expire(self, sent: Sent) -> None:
        """The caller's patience ends."""
        self.script.append(("expire", self.sent.index(sent)))
        self.service.expire(sent.call)

    def hang_up(self, sent: Sent) -> None:
        """The caller goes away."""
        self.script.append(("hang_up", self.sent.index(sent)))
        self.service.cancel(sent.call)
        sent.gone = True

    # -- time -------------------------------------------------------------------------------------

    def jump(self) -> bool:
        """Go to the next due time, and do what is due; False if nothing is."""
        due = self.service.next_due()
        if due is not None:
            self.advance_to(due)
        return due is not None

    def advance_to(self, when: Nanoseconds) -> None:
        """Move time to an instant, through everything that is due on the way."""
        self.script.append(("advance_to", when))
        while (due := self.service.next_due()) is not None and due <= when:
            if due > self.clock.now():
                self.clock.advance_to(due)
            self.service.run_due()
        if when > self.clock.now():
            self.clock.advance_to(when)

    def finish(self) -> None:
        """Terminate all runs, let all time pass, and let every caller lose its patience."""
        for run in self.runs:
            if run.is_open:
                self.terminate(run)
        while self.jump():
            pass
        for sent in self.open_calls:
            self.expire(sent)

    def terminate(self, run: Run) -> None:
        self.send(
            "TerminateWorkflowExecution",
            TerminateWorkflowExecutionRequest(
                namespace=run.namespace.name,
                workflow_execution=WorkflowExecution(
                    workflow_id=run.workflow_id, run_id=run.run_id
                ),
            ),
        )

    # -- what can be seen -------------------------------------------------------------------------

    def state(self) -> State:
        """A picture of the engine; two are equal if nothing happened in between."""
        return State(
            runs={run.run_id: self._described(run) for run in self.runs},
            waiting_tasks=sum(len(queue.tasks) for queue in self.cluster.queues),
        )

    def histories(self) -> dict[str, list[bytes]]:
        """The events of every run, byte by byte."""
        return {run.run_id: [_bytes_of(event) for event in run.history.events] for run in self.runs}

    def replayed(self) -> EngineDriver:
        """Another engine to which the same was done, in the same order."""
        other = EngineDriver(self.seed, self.cluster.limits)
        for step, *arguments in self.script:
            if step == "send":
                method, request, timeout = arguments
                copied = type(request)()
                copied.CopyFrom(request)
                other.send(method, copied, timeout)
            elif step == "advance_to":
                other.advance_to(*arguments)
            else:
                getattr(other, step)(other.sent[arguments[0]])
        return other

    def _described(self, run: Run) -> tuple[int, int, bytes]:
        described: list[Answer] = []
        execution = WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id)
        self.service.handle(
            Call(
                f"{WORKFLOW_SERVICE}/DescribeWorkflowExecution",
                DescribeWorkflowExecutionRequest(namespace=run.namespace.name, execution=execution),
                described.append,
            )
        )
        return len(run.history.events), run.history.buffered_count, _bytes_of(described[0])

    def _take_tasks(self, answer: Answer) -> None:
        if isinstance(answer, PollWorkflowTaskQueueResponse):
            self._take_workflow_task(answer)
        elif isinstance(answer, PollActivityTaskQueueResponse):
            if answer.task_token:
                self.activity_tasks.append(answer)
        elif isinstance(answer, RespondWorkflowTaskCompletedResponse):
            self.activity_tasks.extend(answer.activity_tasks)
            self._take_workflow_task(answer.workflow_task)
        elif isinstance(answer, StartWorkflowExecutionResponse):
            self._take_workflow_task(answer.eager_workflow_task)

    def _take_workflow_task(self, task: PollWorkflowTaskQueueResponse) -> None:
        if task.HasField("query"):
            self.query_tasks.append(task)
        elif task.task_token:
            self.workflow_tasks.append(task)


def _bytes_of(answer: Answer) -> bytes:
    if isinstance(answer, ServiceError):
        return f"{answer.code.name}: {answer.message}".encode()
    return answer.SerializeToString(deterministic=True)
