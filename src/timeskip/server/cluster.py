"""Everything the simulated service holds, in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import NamespaceState, SuggestContinueAsNewReason
from temporalio.api.errordetails.v1 import (
    NamespaceInvalidStateFailure,
    NamespaceNotFoundFailure,
    NotFoundFailure,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent, MarkerRecordedEventAttributes
from temporalio.api.nexus.v1 import Endpoint

from timeskip.clock import Clock, Nanoseconds, RealClock
from timeskip.server.choices import FirstComeFirstServed
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.identifiers import Identifiers
from timeskip.server.limits import Limits
from timeskip.server.matching import TaskQueues
from timeskip.server.namespaces import Namespace, system_namespace
from timeskip.server.schedules.rows import SCHEDULES
from timeskip.server.time_locks import TimeLocks
from timeskip.server.transfers import Transfers
from timeskip.server.validation.namespaces import validate_namespace
from timeskip.server.visibility.store import RUNS, VisibilityStore

if TYPE_CHECKING:
    from timeskip.server.activities import Activity
    from timeskip.server.calls import Call
    from timeskip.server.nexus_operations import NexusOperation
    from timeskip.server.nexus_tasks import NexusTask
    from timeskip.server.queries import QueryTask
    from timeskip.server.run import Run
    from timeskip.server.schedules.schedule import Schedule
    from timeskip.server.workflow_tasks import WorkflowTask


_STARTABLE = (NamespaceState.NAMESPACE_STATE_REGISTERED,)
_USABLE = (*_STARTABLE, NamespaceState.NAMESPACE_STATE_DEPRECATED)

#: The share of its updates after which a run had better continue as new.
_MANY_UPDATES = 0.9


class Observer(Protocol):
    """What a simulation can watch. Called inside the service: look, do not call back."""

    def workflow_task_failed(
        self, run: Run, task: WorkflowTask, cause: int, failure: object
    ) -> None: ...
    def workflow_task_kept_too_long(self, run: Run, task: WorkflowTask) -> None: ...
    def activity_attempt_failed(self, run: Run, activity: Activity, failure: object) -> None: ...
    def marker_recorded(self, run: Run, marker: MarkerRecordedEventAttributes) -> None: ...
    def nexus_attempt_failed(self, operation: NexusOperation, failure: Failure) -> None: ...


class Cluster:
    """Namespaces, runs, task queues and the calls that wait for time.

    `started_workflow_tasks`, `started_activities` and `started_nexus_tasks` are what workers hold right
    now; together with `time_waits` they decide whether time may move (see `timeskip.lanes.idle`).
    """

    def __init__(self, clock: Clock, seed: int, namespaces: Iterable[str] = ("default",)) -> None:
        self.clock = clock
        self.ids = Identifiers(seed)
        self.choices = FirstComeFirstServed()
        self.id = self.ids.uuid()
        self.queues = TaskQueues(self)
        self.namespaces: dict[str, Namespace] = {}
        self.runs: dict[str, Run] = {}
        self.visibility = VisibilityStore(RUNS)
        self.schedule_visibility = VisibilityStore(SCHEDULES)
        self.time_waits: dict[Call, Run] = {}
        self.sleeping_calls: dict[Call, None] = {}
        self.time_locks = TimeLocks()
        self.started_workflow_tasks: dict[str, Run] = {}
        self.started_activities: dict[bytes, Activity] = {}
        self.started_nexus_tasks: dict[bytes, NexusTask] = {}
        self.nexus_endpoints: dict[str, Endpoint] = {}
        #: Runs whose worker would send heartbeats for its workflow task while virtual time passes.
        self.heartbeating_runs: set[str] = set()
        self.queries_asked: dict[Call, Run] = {}
        self.query_tasks: dict[str, QueryTask] = {}
        self.started_queries: dict[str, QueryTask] = {}
        #: Whether a worker's open polls are answered when it shuts down, so that no task is lost on
        #: the way to a worker that is leaving. The dev server does not offer it.
        self.answers_polls_at_shutdown = False
        #: Whether readers of a history are told of a pause as if it were the end, as the dev server
        #: tells them. An SDK's client that waits for a result then asks again without a pause of
        #: its own, so where time is virtual it is made to wait.
        self.pauses_end_histories = isinstance(clock, RealClock)
        #: The instance keys of workers that have shut down so.
        self.shut_down_workers: set[str] = set()
        self.limits = Limits()
        self.observers: list[Observer] = []
        self.transfers = Transfers()
        #: What has to happen elsewhere when a run has closed; given the run and its last event.
        self.close_listeners: list[Callable[[Run, HistoryEvent], None]] = []
        system = system_namespace(self.ids.uuid())
        self.namespaces[system.name] = system
        for name in namespaces:
            self.namespaces[name] = Namespace(name, self.ids.uuid())

    def open_schedules(self) -> list[Schedule]:
        """The schedules of all namespaces that are neither deleted nor gone."""
        return [
            schedule
            for namespace in self.namespaces.values()
            for schedule in namespace.schedules.values()
            if schedule.is_open
        ]

    def open_queries(self) -> dict[Call, Run]:
        """The queries that nobody has answered yet."""
        if self.queries_asked:
            self.queries_asked = {
                call: run for call, run in self.queries_asked.items() if not call.answered
            }
        return self.queries_asked

    def next_query_due(self) -> Nanoseconds | None:
        """When a query that waits for a worker will be sent to another one, if it will."""
        dues = [task.due for task in self.query_tasks.values()]
        dues.extend(
            run.workflow_task.due
            for run in self.open_queries().values()
            if run.queries and run.workflow_task is not None and run.sticky_queue
        )
        return min(
            (due.when for due in dues if due is not None and not due.cancelled), default=None
        )

    def reasons_to_continue_as_new(self, run: Run) -> list[SuggestContinueAsNewReason.ValueType]:
        """Why the run had better continue as new; empty as long as it need not."""
        limits = self.limits
        reasons = []
        if run.history.size_bytes >= limits.suggest_continue_as_new_bytes:
            reasons.append(
                SuggestContinueAsNewReason.SUGGEST_CONTINUE_AS_NEW_REASON_HISTORY_SIZE_TOO_LARGE
            )
        if run.history.next_event_id >= limits.suggest_continue_as_new_events:
            reasons.append(
                SuggestContinueAsNewReason.SUGGEST_CONTINUE_AS_NEW_REASON_TOO_MANY_HISTORY_EVENTS
            )
        if len(run.updates) >= limits.updates * _MANY_UPDATES:
            reasons.append(
                SuggestContinueAsNewReason.SUGGEST_CONTINUE_AS_NEW_REASON_TOO_MANY_UPDATES
            )
        return reasons

    def namespace(self, name: str) -> Namespace:
        """The namespace called `name`, or the errors that the real frontend gives."""
        return self._namespace(name, _USABLE)

    def namespace_to_start_in(self, name: str) -> Namespace:
        """The namespace called `name`, if it takes new runs."""
        return self._namespace(name, _STARTABLE)

    def _namespace(self, name: str, allowed: Sequence[NamespaceState.ValueType]) -> Namespace:
        found = self.namespaces.get(name)
        if found is None:
            validate_namespace(name)
            raise namespace_not_found(name)
        if found.state not in allowed:
            raise ServiceError(
                StatusCode.FAILED_PRECONDITION,
                f"Namespace has invalid state: {_in_words(found.state)}. "
                f"Must be {' or '.join(map(_in_words, allowed))}.",
                NamespaceInvalidStateFailure(
                    namespace=name, state=found.state, allowed_states=allowed
                ),
            )
        return found

    def run_of(self, namespace: Namespace, execution: WorkflowExecution) -> Run:
        """The run that an execution names: the current one if it gives no run id."""
        return self.run_by_ids(namespace, execution.workflow_id, execution.run_id)

    def run_by_ids(self, namespace: Namespace, workflow_id: str, run_id: str) -> Run:
        """The run with these ids: the current one if the run id is empty."""
        if run_id:
            run = self.runs.get(run_id)
            if run is None or run.namespace is not namespace or run.workflow_id != workflow_id:
                raise not_found(
                    "workflow execution not found for workflow ID "
                    f'"{workflow_id}" and run ID "{run_id}"'
                )
            return run
        current = namespace.current_run(workflow_id)
        if current is None:
            raise not_found(f"workflow not found for ID: {workflow_id}")
        return current


def _in_words(state: NamespaceState.ValueType) -> str:
    return NamespaceState.Name(state).removeprefix("NAMESPACE_STATE_").capitalize()


def namespace_not_found(name: str) -> ServiceError:
    """The refusal of a request that names a namespace which does not exist."""
    return ServiceError(
        StatusCode.NOT_FOUND,
        f"Namespace {name} is not found.",
        NamespaceNotFoundFailure(namespace=name),
    )


def not_found(message: str) -> ServiceError:
    return ServiceError(StatusCode.NOT_FOUND, message, NotFoundFailure())
