"""Reads a history event by event, refuses one that cannot be, and knows what it leaves open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import Message
from temporalio.api.enums.v1 import EventType
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history.v1 import HistoryEvent

from timeskip.clock import Nanoseconds
from timeskip.server.history import attributes_of

_CLOSING = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
}
_TASK_ENDS = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
}
_RESULTS = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED,
}
_BEFORE_TASK_STARTED = Cause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_PAUSE_REQUESTED_BEFORE_TASK_STARTED

#: What a workflow is to be told, besides results.
_NEWS = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
    EventType.EVENT_TYPE_TIMER_FIRED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
    EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
}
#: Written when they happen unless a worker holds the workflow task; then they have to wait.
_BUFFERED = {
    *_NEWS,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED,
}


@dataclass
class ReadActivity:
    """An activity that is scheduled and not over."""

    scheduled_time: Nanoseconds
    started_event_id: int = 0
    started_time: Nanoseconds = 0
    cancel_request_id: int = 0


class HistoryReader:
    """What the events so far say. `read` raises AssertionError for one that contradicts them."""

    def __init__(self) -> None:
        self.types: list[EventType.ValueType] = []
        #: Timer ids by their started events: an id may be used again before its firing is written.
        self.timers: dict[int, str] = {}
        self.activities: dict[int, ReadActivity] = {}
        #: Started events of children by what initiated them; 0 for one that has not started yet.
        self.children: dict[int, int] = {}
        #: What initiated the signals and cancellations of others that came to nothing so far.
        self.wishes: dict[int, EventType.ValueType] = {}
        self.scheduled_task = 0
        self.started_task = 0
        self.last_completed_started_id = 0
        #: Whether something happened that no completed workflow task has seen.
        self.has_news = True
        self.paused = False
        self.closed = False
        self._completed_id = 0
        self._latest: dict[str, Nanoseconds] = {}
        self._last_task_id = 0

    def read(self, event: HistoryEvent, now: Nanoseconds) -> None:
        """Take in the next event, written at `now` or before."""
        kind = event.event_type
        name = EventType.Name(kind).removeprefix("EVENT_TYPE_")
        assert event.event_id == len(self.types) + 1, f"{name} has id {event.event_id}"
        assert event.task_id > self._last_task_id
        assert not self.closed, f"{name} follows the close event"
        assert (kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED) == (not self.types)
        if self.started_task:
            assert kind in _TASK_ENDS, f"{name} was written while a worker held the workflow task"
        self._check_time(event, now)
        self.types.append(kind)
        self._last_task_id = event.task_id
        self._check_completed_id(attributes_of(event))
        if kind in _CLOSING:
            self.closed = True
        if kind in _NEWS or kind in _RESULTS:
            self.has_news = True
        reading = _READINGS.get(kind)
        if reading is not None:
            reading(self, event)

    # -- rules for every event --------------------------------------------------------------------

    def _check_time(self, event: HistoryEvent, now: Nanoseconds) -> None:
        """Time never goes back.

        Events that had to wait keep the time at which they happened, so each kind of waiting has an
        order of its own; an activity's start is as old as its last attempt.
        """
        time = event.event_time.ToNanoseconds()
        assert time <= now
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            return
        if event.event_type in _BUFFERED:
            order = "buffered"
        else:
            order = "result" if event.event_type in _RESULTS else "written at once"
        assert time >= self._latest.get(order, 0), "time goes back"
        self._latest[order] = time

    def _check_completed_id(self, attributes: Message) -> None:
        """What a command wrote belongs to the workflow task that has just been completed."""
        completed = getattr(attributes, "workflow_task_completed_event_id", 0)
        if completed:
            assert completed == self._completed_id
            assert self.types[completed - 1] == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED

    # -- workflow tasks ---------------------------------------------------------------------------

    def _task_scheduled(self, event: HistoryEvent) -> None:
        assert not self.scheduled_task, "two workflow tasks are open"
        self.scheduled_task = event.event_id

    def _task_started(self, event: HistoryEvent) -> None:
        attributes = event.workflow_task_started_event_attributes
        assert attributes.scheduled_event_id == self.scheduled_task > 0
        assert not self.started_task
        self.started_task = event.event_id

    def _task_completed(self, event: HistoryEvent) -> None:
        attributes = event.workflow_task_completed_event_attributes
        assert attributes.started_event_id == self.started_task > 0
        self.last_completed_started_id = self.started_task
        self._completed_id = event.event_id
        self.has_news = False
        self._task_ended(attributes.scheduled_event_id)

    def _task_failed(self, event: HistoryEvent) -> None:
        attributes = event.workflow_task_failed_event_attributes
        assert attributes.started_event_id == self.started_task
        assert self.started_task or attributes.cause == _BEFORE_TASK_STARTED
        self.has_news = True
        self._task_ended(attributes.scheduled_event_id)

    def _task_timed_out(self, event: HistoryEvent) -> None:
        attributes = event.workflow_task_timed_out_event_attributes
        assert attributes.started_event_id == self.started_task
        self.has_news = True
        self._task_ended(attributes.scheduled_event_id)

    def _task_ended(self, scheduled_event_id: int) -> None:
        assert scheduled_event_id == self.scheduled_task > 0
        self.scheduled_task = self.started_task = 0

    # -- pauses -----------------------------------------------------------------------------------

    def _paused(self, event: HistoryEvent) -> None:
        assert not self.paused
        self.paused = True

    def _unpaused(self, event: HistoryEvent) -> None:
        assert self.paused
        self.paused = False

    # -- timers -----------------------------------------------------------------------------------

    def _timer_started(self, event: HistoryEvent) -> None:
        self.timers[event.event_id] = event.timer_started_event_attributes.timer_id

    def _timer_fired(self, event: HistoryEvent) -> None:
        attributes = event.timer_fired_event_attributes
        assert self.timers.pop(attributes.started_event_id) == attributes.timer_id

    def _timer_canceled(self, event: HistoryEvent) -> None:
        attributes = event.timer_canceled_event_attributes
        assert self.timers.pop(attributes.started_event_id) == attributes.timer_id

    # -- activities -------------------------------------------------------------------------------

    def _activity_scheduled(self, event: HistoryEvent) -> None:
        self.activities[event.event_id] = ReadActivity(event.event_time.ToNanoseconds())

    def _activity_started(self, event: HistoryEvent) -> None:
        activity = self.activities[event.activity_task_started_event_attributes.scheduled_event_id]
        assert not activity.started_event_id
        activity.started_event_id = event.event_id
        activity.started_time = event.event_time.ToNanoseconds()
        assert activity.started_time >= activity.scheduled_time

    def _activity_cancel_requested(self, event: HistoryEvent) -> None:
        attributes = event.activity_task_cancel_requested_event_attributes
        scheduled = attributes.scheduled_event_id
        assert self.types[scheduled - 1] == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        if scheduled in self.activities:
            self.activities[scheduled].cancel_request_id = event.event_id

    def _activity_completed(self, event: HistoryEvent) -> None:
        attributes = event.activity_task_completed_event_attributes
        activity = self._activity_ended(event, attributes.scheduled_event_id)
        assert attributes.started_event_id == activity.started_event_id > 0

    def _activity_failed(self, event: HistoryEvent) -> None:
        attributes = event.activity_task_failed_event_attributes
        activity = self._activity_ended(event, attributes.scheduled_event_id)
        assert attributes.started_event_id == activity.started_event_id > 0

    def _activity_timed_out(self, event: HistoryEvent) -> None:
        attributes = event.activity_task_timed_out_event_attributes
        activity = self._activity_ended(event, attributes.scheduled_event_id)
        assert attributes.started_event_id == activity.started_event_id

    def _activity_canceled(self, event: HistoryEvent) -> None:
        attributes = event.activity_task_canceled_event_attributes
        activity = self._activity_ended(event, attributes.scheduled_event_id)
        assert attributes.started_event_id == activity.started_event_id
        assert attributes.latest_cancel_requested_event_id == activity.cancel_request_id > 0

    def _activity_ended(self, event: HistoryEvent, scheduled_event_id: int) -> ReadActivity:
        activity = self.activities.pop(scheduled_event_id)
        assert event.event_time.ToNanoseconds() >= activity.started_time
        return activity

    # -- other runs -------------------------------------------------------------------------------

    def _child_initiated(self, event: HistoryEvent) -> None:
        self.children[event.event_id] = 0

    def _child_started(self, event: HistoryEvent) -> None:
        attributes = event.child_workflow_execution_started_event_attributes
        assert self.children[attributes.initiated_event_id] == 0
        self.children[attributes.initiated_event_id] = event.event_id

    def _child_not_started(self, event: HistoryEvent) -> None:
        attributes = event.start_child_workflow_execution_failed_event_attributes
        assert self.children.pop(attributes.initiated_event_id) == 0

    def _child_ended(self, event: HistoryEvent) -> None:
        attributes = attributes_of(event)
        started = self.children.pop(getattr(attributes, "initiated_event_id", 0))
        assert getattr(attributes, "started_event_id", 0) == started > 0

    def _wish_initiated(self, event: HistoryEvent) -> None:
        self.wishes[event.event_id] = event.event_type

    def _wish_fulfilled(self, event: HistoryEvent) -> None:
        initiated = getattr(attributes_of(event), "initiated_event_id", 0)
        kind = EventType.Name(self.wishes.pop(initiated)).removesuffix("_INITIATED")
        if "SIGNAL" in kind:
            assert "SIGNAL" in EventType.Name(event.event_type)
        else:
            assert "CANCEL" in EventType.Name(event.event_type)


_READINGS: dict[EventType.ValueType, Callable[[HistoryReader, HistoryEvent], None]] = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED: HistoryReader._task_scheduled,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED: HistoryReader._task_started,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED: HistoryReader._task_completed,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: HistoryReader._task_failed,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT: HistoryReader._task_timed_out,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED: HistoryReader._paused,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED: HistoryReader._unpaused,
    EventType.EVENT_TYPE_TIMER_STARTED: HistoryReader._timer_started,
    EventType.EVENT_TYPE_TIMER_FIRED: HistoryReader._timer_fired,
    EventType.EVENT_TYPE_TIMER_CANCELED: HistoryReader._timer_canceled,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: HistoryReader._activity_scheduled,
    EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED: HistoryReader._activity_started,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED: HistoryReader._activity_cancel_requested,
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: HistoryReader._activity_completed,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: HistoryReader._activity_failed,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: HistoryReader._activity_timed_out,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: HistoryReader._activity_canceled,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: HistoryReader._child_initiated,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED: HistoryReader._child_started,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED: HistoryReader._child_not_started,
    **{kind: HistoryReader._child_ended for kind in _RESULTS if "CHILD" in EventType.Name(kind)},
    **dict.fromkeys(
        (
            EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
            EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
        ),
        HistoryReader._wish_initiated,
    ),
    **{kind: HistoryReader._wish_fulfilled for kind in _NEWS if "EXTERNAL" in EventType.Name(kind)},
}
