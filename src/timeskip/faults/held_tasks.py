"""Tasks that a worker holds, as far as time is concerned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.message import Message
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    PollActivityTaskQueueResponse,
    PollNexusTaskQueueResponse,
    PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedResponse,
    StartWorkflowExecutionResponse,
)

from timeskip.clock import SECOND, Nanoseconds
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.server.calls import Answer
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.queries import QueryTask
from timeskip.server.tokens import parse_query_task, parse_task
from timeskip.server.workflow_tasks import WorkflowTask

#: Seconds after which the SDK's client gives up a call that is not to wait for long. The real server
#: would wait: it does not know that the worker is gone.
_CLIENTS_PATIENCE = 30.0


def tokens_of(answer: Answer) -> Iterator[bytes]:
    """The tokens of the tasks that a worker gets with an answer."""
    if isinstance(
        answer,
        PollWorkflowTaskQueueResponse | PollActivityTaskQueueResponse | PollNexusTaskQueueResponse,
    ):
        yield answer.task_token
    elif isinstance(answer, RespondWorkflowTaskCompletedResponse):
        yield answer.workflow_task.task_token
        for task in answer.activity_tasks:
            yield task.task_token
    elif isinstance(answer, StartWorkflowExecutionResponse):
        yield answer.eager_workflow_task.task_token


class HeldTasks:
    """Says of tasks that were handed out whether somebody works on them: only then they hold time."""

    def __init__(self, keeper: TimeKeeper) -> None:
        self._keeper = keeper

    def lay_down(self, token: bytes) -> None:
        """Nobody works on a task, at least for now: only its timeout, or time, will bring it on."""
        cluster = self._keeper.service.cluster
        task = self._workflow_task(token)
        if task is not None:
            self._keeper.abandon(task)
        elif token in cluster.started_activities or token in cluster.started_nexus_tasks:
            self._keeper.laid_down.add(token)
        else:
            self._lay_down_query(token)
        self._keeper.notice()

    def take_up(self, token: bytes) -> None:
        """A worker gets to work on a task after all."""
        task = self._workflow_task(token)
        if task is not None:
            task.abandoned = False
        self._keeper.laid_down.discard(token)
        query = self._query(token)
        if query is not None and query.due is not None:
            query.due.cancel()
            self._keeper.service.cluster.started_queries[query.query_id] = query

    def _lay_down_query(self, token: bytes) -> None:
        """Nobody answers a query: after a while its caller gives it up."""
        query = self._query(token)
        if query is None:
            return
        self._keeper.service.cluster.started_queries.pop(query.query_id, None)
        patience = int(min(query.call.timeout or _CLIENTS_PATIENCE, _CLIENTS_PATIENCE) * SECOND)
        due = self._keeper.clock.now() + patience

        def give_up() -> None:
            query.call.cancel()
            query.call.fail(ServiceError(StatusCode.CANCELLED, "Timeout expired"))

        query.due = self._keeper.clock.schedule(due, give_up)

    def _query(self, token: bytes) -> QueryTask | None:
        query_id = _query_id(token)
        return self._keeper.service.cluster.query_tasks.get(query_id) if query_id else None

    def wait_for_history(self, request: Message, delay: Nanoseconds) -> None:
        """A call takes so long. If it is for the history of a workflow task, nobody works on that."""
        if not isinstance(request, GetWorkflowExecutionHistoryRequest) or request.wait_new_event:
            return
        run = self._keeper.service.cluster.runs.get(request.execution.run_id)
        task = run.workflow_task if run is not None else None
        if task is None or not task.started_event_id or task.abandoned:
            return
        self._keeper.abandon(task)

        def go_on() -> None:
            task.abandoned = False

        self._keeper.clock.schedule(self._keeper.clock.now() + delay, go_on)

    def lay_down_all(self, identity: str) -> None:
        """Nobody works any more on what a worker has."""
        cluster = self._keeper.service.cluster
        for run in list(cluster.started_workflow_tasks.values()):
            task = run.workflow_task
            if task is not None and task.identity == identity:
                self._keeper.abandon(task)
        for token, activity in cluster.started_activities.items():
            if activity.identity == identity:
                self._keeper.laid_down.add(token)
        for token, nexus_task in cluster.started_nexus_tasks.items():
            if nexus_task.identity == identity:
                self._keeper.laid_down.add(token)
        self._keeper.notice()

    def _workflow_task(self, token: bytes) -> WorkflowTask | None:
        try:
            parsed = parse_task(token)
        except ServiceError:  # it may be another kind of token
            return None
        run = self._keeper.service.cluster.runs.get(parsed.run_id)
        task = run.workflow_task if run is not None else None
        is_it = task is not None and task.started_event_id == parsed.started_event_id
        return task if is_it and parsed.started_event_id else None


class BusyWorkers:
    """Workers whose reports of workflow tasks are on a long way.

    Until such a report has arrived, its worker keeps further tasks of the same run waiting; so for
    that long nobody works on them.
    """

    def __init__(self, held: HeldTasks) -> None:
        self._held = held
        self._waiting: dict[tuple[str, str], list[bytes]] = {}

    def begin(self, worker: str, run_ids: Iterable[str]) -> None:
        """Reports for these runs are late."""
        for run_id in run_ids:
            self._waiting.setdefault((worker, run_id), [])

    def end(self, worker: str, run_ids: Iterable[str]) -> None:
        """They arrive, and the worker begins with what has waited for that."""
        for run_id in run_ids:
            for token in self._waiting.pop((worker, run_id), ()):
                self._held.take_up(token)

    def worker_dies(self, worker: str) -> None:
        """Whatever it was waiting for. Another one may take its name."""
        for key in [key for key in self._waiting if key[0] == worker]:
            del self._waiting[key]

    def handed_out(self, worker: str, answer: Answer) -> None:
        """A worker gets a task. Perhaps it has to wait there."""
        if isinstance(answer, PollWorkflowTaskQueueResponse):
            waiting = self._waiting.get((worker, answer.workflow_execution.run_id))
            if waiting is not None:
                waiting.append(answer.task_token)
                self._held.lay_down(answer.task_token)


def _query_id(token: bytes) -> str | None:
    try:
        return parse_query_task(token).query_id
    except ServiceError:  # it may be another kind of token
        return None
