"""A workflow task: moves the workflow's clock, and tells of a reset."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from temporalio.api.enums.v1 import EventType
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import UpdateRandomSeed, WorkflowActivationJob

from timeskip.lanes.direct import event_types, rust_text
from timeskip.lanes.direct.machines.machine import FatalError, Machine, Table
from timeskip.lanes.direct.randomness import seed_of

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines


class WorkflowTaskMachine(Machine):
    """One attempt at a workflow task.

    `portion_ends_at` is the start of the task up to which the machines apply the history now. The
    workflow sees the time of that one's start; those before it have led to nothing.
    """

    MISFIT = "Event does not apply to a wf task machine: {event}"
    INITIAL = "Created"
    EVENTS: ClassVar = {
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED: "WorkflowTaskScheduled",
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED: "WorkflowTaskStarted",
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED: "WorkflowTaskCompleted",
        EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: "WorkflowTaskFailed",
        EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT: "WorkflowTaskTimedOut",
    }

    def __init__(self, machines: WorkflowMachines, portion_ends_at: int) -> None:
        super().__init__(machines)
        self._portion_ends_at = portion_ends_at
        self._started: HistoryEvent | None = None

    def event_trigger(self, event: HistoryEvent) -> str:
        if event.event_type == event_types.TASK_STARTED and not event.HasField("event_time"):
            raise FatalError(
                f"Workflow task started event must contain timestamp: {rust_text.short(event)}"
            )
        return super().event_trigger(event)

    def _task_started(self, event: HistoryEvent) -> None:
        self._started = event
        if event.event_id >= self._portion_ends_at:
            self.machines.task_started(self._portion_ends_at, event.event_time)

    def _task_completed(self, event: HistoryEvent) -> None:
        assert self._started is not None
        self.machines.task_started(self._started.event_id, self._started.event_time)

    def _task_failed(self, event: HistoryEvent) -> None:
        attributes = event.workflow_task_failed_event_attributes
        if attributes.cause == Cause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW:
            self.tell(
                WorkflowActivationJob(
                    update_random_seed=UpdateRandomSeed(
                        randomness_seed=seed_of(attributes.new_run_id)
                    )
                )
            )

    def _failed_before_started(self, event: HistoryEvent) -> None:
        cause = event.workflow_task_failed_event_attributes.cause
        paused = Cause.DESCRIPTOR.values_by_name.get(
            "WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_PAUSE_REQUESTED_BEFORE_TASK_STARTED"
        )
        if paused is None or cause != paused.number:
            raise FatalError(
                "Workflow task failed before it started with cause "
                f"Some({rust_text.enum_name(Cause.DESCRIPTOR, cause)})"
            )

    TABLE: ClassVar[Table] = {
        ("Created", "WorkflowTaskScheduled"): ("Scheduled", None),
        ("Scheduled", "WorkflowTaskStarted"): ("Started", _task_started),
        ("Scheduled", "WorkflowTaskFailed"): ("Failed", _failed_before_started),
        ("Scheduled", "WorkflowTaskTimedOut"): ("TimedOut", None),
        ("Started", "WorkflowTaskCompleted"): ("Completed", _task_completed),
        ("Started", "WorkflowTaskFailed"): ("Failed", _task_failed),
        ("Started", "WorkflowTaskTimedOut"): ("TimedOut", None),
    }
