"""Workflow tasks that were tried again leave nothing behind in the normal form."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import EventType, TaskQueueKind, WorkflowTaskFailedCause
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue

from timeskip.histories import EVERYTHING_IGNORED, Ignored, normal_form


class Script:
    """Writes histories as a service would, and numbers their events."""

    def __init__(self) -> None:
        self.history = History()

    def event(self, kind: str) -> HistoryEvent:
        """The next event, of a type such as "timer_started"."""
        event_id = len(self.history.events) + 1
        event = self.history.events.add(
            event_id=event_id, event_type=EventType.Value(f"EVENT_TYPE_{kind.upper()}")
        )
        getattr(event, f"{kind}_event_attributes").SetInParent()
        return event

    def task(self, attempt: int = 1, queue: str = "orders") -> int:
        """Schedules and starts a workflow task; the id of the first of the two events."""
        scheduled = self.event("workflow_task_scheduled")
        attributes = scheduled.workflow_task_scheduled_event_attributes
        attributes.attempt = attempt
        attributes.start_to_close_timeout.FromSeconds(10 + attempt)
        kind = TaskQueueKind.TASK_QUEUE_KIND_NORMAL
        attributes.task_queue.CopyFrom(TaskQueue(name=queue, kind=kind))
        started = self.event("workflow_task_started")
        started.workflow_task_started_event_attributes.scheduled_event_id = scheduled.event_id
        return scheduled.event_id

    def ends(self, kind: str, scheduled: int) -> HistoryEvent:
        """Ends the task: "completed", "failed" or "timed_out"."""
        event = self.event(f"workflow_task_{kind}")
        attributes = getattr(event, f"workflow_task_{kind}_event_attributes")
        attributes.scheduled_event_id = scheduled
        attributes.started_event_id = scheduled + 1
        return event

    def command(self, completed: int) -> None:
        """A timer that the completed task starts, and which fires."""
        started = self.event("timer_started")
        started.timer_started_event_attributes.workflow_task_completed_event_id = completed
        fired = self.event("timer_fired")
        fired.timer_fired_event_attributes.started_event_id = started.event_id

    def goes_on(self, attempt: int = 1, queue: str = "orders") -> History:
        """A task that succeeds, what it starts, and one more task."""
        completed = self.ends("completed", self.task(attempt, queue))
        self.command(completed.event_id)
        self.ends("completed", self.task())
        return self.history


def called(script: Script, number: int, name: str) -> History:
    """The script's history, with one activity more, which has failed, and one more timer."""
    completed = script.ends("completed", script.task())
    activity = script.event("activity_task_scheduled").activity_task_scheduled_event_attributes
    activity.activity_id = name or str(number + completed.event_id)
    failed = script.event("activity_task_failed").activity_task_failed_event_attributes
    failed.scheduled_event_id = completed.event_id + 1
    failed.failure.activity_failure_info.activity_id = activity.activity_id
    timer = script.event("timer_started")
    timer.timer_started_event_attributes.timer_id = name or str(number + timer.event_id - 1)
    return script.history


def test_activity_that_is_called_by_its_event_is_called_by_its_new_number() -> None:
    faulty = Script()
    faulty.ends("timed_out", faulty.task())
    assert normal_form(called(faulty, 1, "")) == normal_form(called(Script(), 1, ""))


@pytest.mark.parametrize("name", ["1", "payment"])
def test_activity_that_has_another_name_keeps_it(name: str) -> None:
    faulty = Script()
    faulty.ends("timed_out", faulty.task())
    scheduled = normal_form(called(faulty, 1, name)).events[3]
    assert scheduled.activity_task_scheduled_event_attributes.activity_id == name


@pytest.mark.parametrize("ending", ["timed_out", "failed"])
def test_tasks_in_vain_leave_nothing(ending: str) -> None:
    faulty = Script()
    faulty.ends(ending, faulty.task())
    faulty.ends(ending, faulty.task(attempt=2))
    assert normal_form(faulty.goes_on(attempt=3)) == normal_form(Script().goes_on())


def test_task_that_never_started_leaves_nothing() -> None:
    faulty = Script()
    scheduled = faulty.event("workflow_task_scheduled")
    timed_out = faulty.event("workflow_task_timed_out").workflow_task_timed_out_event_attributes
    timed_out.scheduled_event_id = scheduled.event_id
    assert normal_form(faulty.goes_on(queue="sticky")) == normal_form(Script().goes_on())


def test_number_of_an_event_of_the_parents_is_noise() -> None:
    child, other = Script(), Script()
    for number, script in ((7, child), (10, other)):
        started = script.event("workflow_execution_started")
        attributes = started.workflow_execution_started_event_attributes
        attributes.parent_initiated_event_id = number
    assert normal_form(child.goes_on()) == normal_form(other.goes_on())


def test_noise_can_be_kept() -> None:
    faulty = Script()
    faulty.ends("timed_out", faulty.task())
    ignored = EVERYTHING_IGNORED - {Ignored.FAULT_NOISE}
    history = faulty.goes_on(attempt=2)
    assert normal_form(history, ignored) != normal_form(Script().goes_on(), ignored)
    assert len(normal_form(history, ignored).events) == len(history.events)


@pytest.mark.parametrize(
    "cause",
    [
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
    ],
)
def test_what_somebody_wanted_is_no_noise(cause: WorkflowTaskFailedCause.ValueType) -> None:
    script = Script()
    failed = script.ends("failed", script.task())
    failed.workflow_task_failed_event_attributes.cause = cause
    history = script.goes_on()
    assert len(normal_form(history).events) == len(history.events)
