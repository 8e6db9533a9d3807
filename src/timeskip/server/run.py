"""One run of a workflow: what the service knows about it between two events.

The history says what happened; this class holds what is open now (the workflow task, activities,
timers, queries), as the real server's mutable state does. A change to a run ends with `commit`, the
moment at which buffered events settle and everybody who waits for news of the run is told.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, WorkerVersionStamp
from temporalio.api.enums.v1 import EventType, WorkflowExecutionStatus
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.workflow.v1 import ResetPoints, VersioningOverride

from timeskip.clock import DueTime, Nanoseconds
from timeskip.server import history_limits, updates, workflow_tasks
from timeskip.server.applied_events import apply
from timeskip.server.history import History

if TYPE_CHECKING:
    from timeskip.server.activities import Activity
    from timeskip.server.children import Child
    from timeskip.server.cluster import Cluster
    from timeskip.server.completion_callbacks import CompletionCallback
    from timeskip.server.namespaces import Namespace
    from timeskip.server.nexus_operations import NexusOperation
    from timeskip.server.pauses import Pause
    from timeskip.server.queries import BufferedQuery
    from timeskip.server.timers import UserTimer
    from timeskip.server.updates import Update
    from timeskip.server.workflow_tasks import WorkflowTask

#: To look a value up in the API's enumerations takes longer than to compare it.
_PAUSED = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED


class Run:
    """The open state of one run."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: Namespace,
        workflow_id: str,
        run_id: str,
        started: WorkflowExecutionStartedEventAttributes,
        request_id: str,
    ) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.started = started
        self.workflow_type = started.workflow_type.name
        self.task_queue = started.task_queue.name
        self.request_id = request_id
        self.status: WorkflowExecutionStatus.ValueType = (
            WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
        )
        self.start_time: Nanoseconds = cluster.clock.now()
        self.close_time: Nanoseconds | None = None
        self.history = History(cluster.ids.task_id)
        self.memo: dict[str, Payload] = dict(started.memo.fields)
        self.search_attributes: dict[str, Payload] = dict(started.search_attributes.indexed_fields)
        self.user_metadata: UserMetadata | None = None
        #: Kept when the run closes while it is paused.
        self.pause: Pause | None = None
        self.priority = started.priority if started.HasField("priority") else None
        self.versioning_override: VersioningOverride | None = None
        self.has_versioning_info = False

        self.workflow_task: WorkflowTask | None = None
        #: The workflow task at the end of the last change, and its started event by then, or 0.
        self.settled_workflow_task: tuple[WorkflowTask | None, int] = (None, 0)
        self.workflow_task_attempt = 1
        self.last_completed_started_id = 0
        self.sticky_queue = ""
        self.sticky_timeout: Nanoseconds = 0
        self.worker_version: WorkerVersionStamp | None = None
        self.worker_deployment = ""
        #: The build that completed the last workflow task, and its checksum.
        self.last_build: tuple[str, str] | None = None
        self.build_ids: list[str] = []
        #: The search attribute that tells of them, as it was last written.
        self.shown_build_ids: Payload | None = None
        #: Those of the runs before it in its chain included.
        self.reset_points = ResetPoints()
        self.reset_points.CopyFrom(started.prev_auto_reset_points)

        self.activities: dict[int, Activity] = {}
        self.timers: dict[str, UserTimer] = {}
        self.children: dict[int, Child] = {}
        self.nexus_operations: dict[int, NexusOperation] = {}
        #: What is to be told that it has closed.
        self.completion_callbacks: list[CompletionCallback] = []
        #: The initiated events of signals and cancels of other runs whose outcome is not known yet.
        self.external_requests: dict[int, HistoryEvent] = {}
        self.queries: dict[str, BufferedQuery] = {}
        self.updates: dict[str, Update] = {}
        #: Those that may still come further, or of which not everybody has been told.
        self.updates_in_flight: dict[str, Update] = {}
        #: What was open when the run closed; descriptions go on showing it.
        self.left_workflow_task: WorkflowTask | None = None
        self.left_activities: list[Activity] = []

        #: How many runs of its chain there were up to this one.
        self.place_in_chain = 1
        #: The run that a reset has made of it, and when a reset has made this one.
        self.reset_run_id = ""
        self.last_reset_time: Nanoseconds | None = None
        #: It ends only for a reset to take its place: that is no news for its parent or children.
        self.gives_way = False
        self.cancel_requested = False
        self.cancel_request_id = ""
        self.signal_count = 0
        self.signal_request_ids: dict[str, None] = {}
        #: What came of start requests; the event has no id while it is buffered.
        self.request_ids: dict[str, tuple[EventType.ValueType, HistoryEvent]] = {}
        self.run_timeout_due: DueTime | None = None
        #: When the chain of runs that it belongs to has to be over.
        self.execution_expiration: Nanoseconds | None = None
        if started.HasField("workflow_execution_expiration_time"):
            self.execution_expiration = started.workflow_execution_expiration_time.ToNanoseconds()
        self.execution_timeout_due: DueTime | None = None
        self.backoff_due: DueTime | None = None
        #: Given up by the simulation: nothing of it is offered to workers any more.
        self.stands_still = False
        self.state_transitions = 0
        self.on_news: list[Callable[[], None]] = []

    @property
    def is_open(self) -> bool:
        return self.close_time is None

    @property
    def is_paused(self) -> bool:
        """Whether it is open, but gets no workflow tasks."""
        return self.status == _PAUSED

    @property
    def had_or_has_workflow_task(self) -> bool:
        return self.workflow_task is not None or self.last_completed_started_id > 0

    @property
    def has_started_workflow_task(self) -> bool:
        return self.workflow_task is not None and self.workflow_task.started_event_id > 0

    def add(self, event_type: EventType.ValueType, attributes: Message) -> HistoryEvent:
        """Add an event at the current time."""
        event = self.history.add(event_type, self.cluster.clock.now(), attributes)
        apply(self, event)
        return event

    def take_over(self, base: Run, last: int) -> None:
        """Begin with the events of another run up to the event `last`, and all that they change."""
        for event in self.history.take_over(base.history, last):
            apply(self, event)

    def commit(self) -> None:
        """End a change: settle the buffer unless a worker holds the workflow task, and tell the news.

        Raises `HistoryLimitExceeded` if the run was terminated instead.
        """
        workflow_tasks.make_normal(self)
        refusal = history_limits.enforce(self) if self.is_open else None
        if not self.has_started_workflow_task:
            self.history.flush_buffer()
        else:
            history_limits.enforce_on_buffer(self)
        task = self.workflow_task
        self.settled_workflow_task = (task, task.started_event_id if task is not None else 0)
        self.history.settle()
        self.state_transitions += 1
        updates.tell(self)
        listeners, self.on_news = self.on_news, []
        for listener in listeners:
            listener()
        if refusal is not None:
            raise refusal

    def close(
        self,
        status: WorkflowExecutionStatus.ValueType,
        event_type: EventType.ValueType,
        attributes: Message,
    ) -> HistoryEvent:
        """Write the closing event and let go of everything that was open."""
        event = self.add(event_type, attributes)
        self.status = status
        self.close_time = self.cluster.clock.now()
        self.history.discard_buffer()
        for due in (self.run_timeout_due, self.execution_timeout_due, self.backoff_due):
            if due is not None:
                due.cancel()
        for timer in self.timers.values():
            timer.due.cancel()
        self.timers.clear()
        self.left_activities = list(self.activities.values())
        for activity in self.left_activities:
            activity.forget()
        self.activities.clear()
        for operation in self.nexus_operations.values():
            operation.forget()
        if self.workflow_task is not None:
            self.workflow_task.forget()
        self.left_workflow_task, self.workflow_task = self.workflow_task, None
        if not self.gives_way:
            for listener in self.cluster.close_listeners:
                self.cluster.transfers.add(partial(listener, self, event))
        return event
