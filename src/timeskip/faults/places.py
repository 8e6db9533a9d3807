"""Which places a request or an answer is at: what of a workflow it is about, under a lasting name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from google.protobuf.message import Message
from temporalio.api.enums.v1 import EventType
from temporalio.api.update.v1 import Acceptance, Rejection
from temporalio.api.update.v1 import Response as UpdateResponse
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueResponse,
    PollNexusTaskQueueResponse,
    PollWorkflowTaskQueueResponse,
    RecordActivityTaskHeartbeatRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
    RespondNexusTaskCompletedRequest,
    RespondNexusTaskFailedRequest,
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    RespondWorkflowTaskFailedRequest,
)

from timeskip.faults.crash_points import CrashPoint
from timeskip.faults.run_names import RunNames
from timeskip.server.calls import Answer
from timeskip.server.cluster import Cluster
from timeskip.server.errors import ServiceError
from timeskip.server.run import Run
from timeskip.server.tokens import TaskToken, parse_query_task, parse_task

_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
_ACTIVITY_SCHEDULED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
_NEXUS_SCHEDULED = EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED

#: By which an attempt of an activity ends.
ACTIVITY_REPORTS = (
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
)
_NEXUS_REPORTS = (RespondNexusTaskCompletedRequest, RespondNexusTaskFailedRequest)
_WORKFLOW_TASK_REPORTS = (RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest)

#: Queries with which tools look at a workflow, as timeskip itself does.
_OF_TOOLS = "__"


@dataclass(frozen=True)
class Place:
    """What a request is about, before it is said at which moment."""

    kind: str
    workflow: str
    thing: str
    run: Run
    subject: str = ""
    #: What comes before the moment and is not the same for all kinds.
    before: str = "before-report"
    after: str = "after-report"
    activity_id: str = ""

    def point(self, moment: str) -> CrashPoint:
        """The crash point at that moment, which is now."""
        ending = f":{moment}" if moment else ""
        short = self.thing if self.subject else f"{self.workflow}{self.thing}"
        long = f"{self.workflow}/{self.thing}" if self.subject else short
        return CrashPoint(
            id=f"{self.kind}:{long}{ending}",
            short_id=f"{self.kind}:{short}{ending}",
            kind=self.kind,
            moment=moment,
            workflow_id=self.run.workflow_id,
            run_id=self.run.run_id,
            workflow_type=self.run.workflow_type,
            subject=self.subject,
            activity_id=self.activity_id,
            event_id=len(self.run.history.events),
            time=self.run.cluster.clock.now(),
        )


@dataclass
class _Progress:
    """How far a run has come, as far as names depend on it."""

    seen: int = 0
    completed_tasks: int = 0
    #: By scheduled event: the type of an activity, and which of the calls of that type it is.
    calls: dict[int, tuple[str, int]] = field(default_factory=dict)
    calls_of_type: Counter[str] = field(default_factory=Counter)
    #: The same of Nexus operations.
    operations: dict[int, tuple[str, int]] = field(default_factory=dict)
    operations_of_name: Counter[str] = field(default_factory=Counter)
    #: By the number of the task: the attempts that were handed out, from 1.
    attempts: dict[int, dict[tuple[int, int, int], int]] = field(default_factory=dict)
    heartbeats: Counter[tuple[int, int]] = field(default_factory=Counter)
    #: Ids of queries, updates and local activities, by name, in the order of their first sight.
    numbers: dict[str, dict[str, int]] = field(default_factory=dict)
    local_times: Counter[str] = field(default_factory=Counter)

    def number(self, name: str, id: str) -> int:
        """Which of the things of this name it is, from 1."""
        ids = self.numbers.setdefault(name, {})
        return ids.setdefault(id, len(ids) + 1)


class Places:
    """Finds names. To be asked between changes of the cluster, where its clock runs."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._names = RunNames(cluster)
        self._progress: dict[str, _Progress] = {}

    def of_request(self, request: Message) -> list[Place]:
        """What a worker reports, the most specific first; empty if it comes too late."""
        if isinstance(request, _WORKFLOW_TASK_REPORTS):
            return self._of_workflow_task(request)
        if isinstance(request, ACTIVITY_REPORTS):
            return self._of_activity(request.task_token)
        if isinstance(request, _NEXUS_REPORTS):
            return self._of_nexus_task(request.task_token)
        if isinstance(request, RecordActivityTaskHeartbeatRequest):
            return self._of_heartbeat(request.task_token)
        if isinstance(request, RespondQueryTaskCompletedRequest):
            return self._of_query(request.task_token)
        return []

    def of_tasks(self, answer: Answer) -> list[Place]:
        """The tasks that a worker is handed with an answer and that begin with it."""
        if isinstance(answer, PollActivityTaskQueueResponse) and answer.task_token:
            return self._of_activity(answer.task_token)
        if isinstance(answer, PollNexusTaskQueueResponse) and answer.task_token:
            return self._of_nexus_task(answer.task_token)
        if isinstance(answer, RespondWorkflowTaskCompletedResponse):
            return [
                place
                for task in answer.activity_tasks
                for place in self._of_activity(task.task_token)
            ]
        if isinstance(answer, PollWorkflowTaskQueueResponse) and answer.HasField("query"):
            return self._of_query(answer.task_token)
        return []

    def of_local_activity(
        self, run_id: str, activity_type: str, activity_id: str, *, begins: bool
    ) -> list[Place]:
        """A local activity that its worker begins, or has run to its end."""
        run = self._cluster.runs.get(run_id)
        if run is None:
            return []
        progress = self._progress_of(run)
        number = progress.number(f"local {activity_type}", activity_id)
        progress.local_times[activity_id] += begins
        time = progress.local_times[activity_id]
        thing = f"{_call(activity_type, number)}#{time}"
        return [self._place("local-activity", run, thing, activity_type, activity_id=activity_id)]

    def cache_of(self, place: Place) -> Place | None:
        """What a worker keeps of a workflow once the task at `place` is done; None if nothing."""
        run = place.run
        if place.kind != "workflow-task" or not (run.is_open and run.sticky_queue):
            return None
        return self._place("sticky-cache", run, f":{self._progress_of(run).completed_tasks + 1}")

    def _of_workflow_task(
        self, request: RespondWorkflowTaskCompletedRequest | RespondWorkflowTaskFailedRequest
    ) -> list[Place]:
        token = _task_token(request.task_token)
        run = self._run_of(token)
        if token is None or run is None:
            return []
        task = run.workflow_task
        if task is None or (task.started_event_id, task.attempt) != (
            token.started_event_id,
            token.attempt,
        ):
            return []
        progress = self._progress_of(run)
        number = progress.completed_tasks + 1
        attempts = progress.attempts.setdefault(number, {})
        attempt = (token.started_event_id, token.attempt, token.started_time)
        time = attempts.setdefault(attempt, len(attempts) + 1)
        thing = f":{number}#{time}" if time > 1 else f":{number}"
        places = [self._place("workflow-task", run, thing)]
        if isinstance(request, RespondWorkflowTaskCompletedRequest):
            places += self._of_updates(run, progress, request)
        return places

    def _of_updates(
        self, run: Run, progress: _Progress, request: RespondWorkflowTaskCompletedRequest
    ) -> Iterator[Place]:
        for message in request.messages:
            update = run.updates.get(message.protocol_instance_id)
            if update is None:
                continue
            name = update.request.input.name
            number = progress.number(f"update {name}", update.id)
            accepts = message.body.Is(Acceptance.DESCRIPTOR) or message.body.Is(
                Rejection.DESCRIPTOR
            )
            if accepts or message.body.Is(UpdateResponse.DESCRIPTOR):
                done = "accept" if accepts else "complete"
                yield self._place(
                    "update",
                    run,
                    f"{name}#{number}",
                    name,
                    before=f"before-{done}",
                    after=f"after-{done}",
                )

    def _of_activity(self, task_token: bytes) -> list[Place]:
        token = _task_token(task_token)
        run = self._run_of(token)
        if token is None or run is None or not _is_current(run, token):
            return []
        activity_type, number = self._progress_of(run).calls[token.scheduled_event_id]
        thing = f"{_call(activity_type, number)}#{token.attempt}"
        activity_id = run.activities[token.scheduled_event_id].activity_id
        return [self._place("activity", run, thing, activity_type, activity_id=activity_id)]

    def _of_nexus_task(self, task_token: bytes) -> list[Place]:
        task = self._cluster.started_nexus_tasks.get(task_token)
        if task is None:
            return []
        operation = task.operation
        name, number = self._progress_of(operation.run).operations[operation.scheduled_event_id]
        kind, attempt = "nexus-task", operation.attempt
        if task.request.HasField("cancel_operation"):
            assert operation.cancellation is not None
            kind, attempt = "nexus-cancel", operation.cancellation.attempt
        thing = f"{_call(name, number)}#{attempt + 1}"
        return [self._place(kind, operation.run, thing, name)]

    def _of_heartbeat(self, task_token: bytes) -> list[Place]:
        found = self._of_activity(task_token)
        token = _task_token(task_token)
        if not found or token is None:
            return []
        (activity,) = found
        heartbeats = self._progress_of(activity.run).heartbeats
        attempt = (token.scheduled_event_id, token.attempt)
        heartbeats[attempt] += 1
        thing = f"{activity.thing}:{heartbeats[attempt]}"
        return [
            self._place(
                "heartbeat",
                activity.run,
                thing,
                activity.subject,
                activity_id=activity.activity_id,
            )
        ]

    def _of_query(self, task_token: bytes) -> list[Place]:
        try:
            token = parse_query_task(task_token)
        except ServiceError:  # anybody may send anything
            return []
        task = self._cluster.query_tasks.get(token.query_id)
        if task is None or task.query.query_type.startswith(_OF_TOOLS):
            return []
        name = task.query.query_type
        number = self._progress_of(task.run).number(f"query {name}", token.query_id)
        return [self._place("query", task.run, f"{name}#{number}", name)]

    def _place(
        self,
        kind: str,
        run: Run,
        thing: str,
        subject: str = "",
        *,
        before: str = "before-report",
        after: str = "after-report",
        activity_id: str = "",
    ) -> Place:
        return Place(kind, self._names.name(run), thing, run, subject, before, after, activity_id)

    def _run_of(self, token: TaskToken | None) -> Run | None:
        return None if token is None else self._cluster.runs.get(token.run_id)

    def _progress_of(self, run: Run) -> _Progress:
        progress = self._progress.get(run.run_id)
        if progress is None:
            progress = self._progress[run.run_id] = _Progress()
        events = run.history.events
        for event in islice(events, progress.seen, None):
            if event.event_type == _COMPLETED:
                progress.completed_tasks += 1
            elif event.event_type == _ACTIVITY_SCHEDULED:
                name = event.activity_task_scheduled_event_attributes.activity_type.name
                progress.calls_of_type[name] += 1
                progress.calls[event.event_id] = name, progress.calls_of_type[name]
            elif event.event_type == _NEXUS_SCHEDULED:
                scheduled = event.nexus_operation_scheduled_event_attributes
                name = f"{scheduled.service}/{scheduled.operation}"
                progress.operations_of_name[name] += 1
                progress.operations[event.event_id] = name, progress.operations_of_name[name]
        progress.seen = len(events)
        return progress


def _call(activity_type: str, number: int) -> str:
    return activity_type if number == 1 else f"{activity_type}@{number}"


def _is_current(run: Run, token: TaskToken) -> bool:
    activity = run.activities.get(token.scheduled_event_id)
    return activity is not None and activity.is_started and activity.attempt == token.attempt


def _task_token(task_token: bytes) -> TaskToken | None:
    try:
        return parse_task(task_token)
    except ServiceError:  # anybody may send anything
        return None
