"""The event history of one run: an append-only list, and the buffer in front of it.

While a worker holds a workflow task, whatever happens to the run meanwhile is buffered and appended
after the task is closed; only then do these events get their ids. The order is the real server's:
results of activities, children and Nexus operations move behind the other buffered events, because
the started event that they refer to may be among those.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable

from google.protobuf.message import Message
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from timeskip.clock import Nanoseconds
from timeskip.server.instants import show

_ATTRIBUTES: dict[int, str] = {
    value.number: value.name.removeprefix("EVENT_TYPE_").lower() + "_event_attributes"
    for value in EventType.DESCRIPTOR.values
    if value.number
}

#: Events that are written at once even while a workflow task is in flight: what closes a run, what
#: happens to workflow tasks, and what a workflow task's own commands cause.
_NEVER_BUFFERED = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED,
        EventType.EVENT_TYPE_TIMER_STARTED,
        EventType.EVENT_TYPE_TIMER_CANCELED,
        EventType.EVENT_TYPE_MARKER_RECORDED,
        EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
        EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
        EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUESTED,
        EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
    }
)

CLOSING_EVENTS = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
    }
)

#: Results that refer to a started event by id; see the module's docstring.
_RESULTS_OF_ACTIVITIES = frozenset(
    {
        EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
    }
)
_RESULTS_WITH_STARTED_EVENT = _RESULTS_OF_ACTIVITIES | {
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED,
}
_RESULTS_OF_NEXUS_OPERATIONS = frozenset(
    {
        EventType.EVENT_TYPE_NEXUS_OPERATION_COMPLETED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_FAILED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCELED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_TIMED_OUT,
    }
)
_RESULTS = _RESULTS_WITH_STARTED_EVENT | _RESULTS_OF_NEXUS_OPERATIONS


def attributes_of(event: HistoryEvent) -> Message:
    """The attributes message of an event, whatever its type."""
    attributes: Message = getattr(event, _ATTRIBUTES[event.event_type])
    return attributes


def scheduled_event_id_of(event: HistoryEvent) -> int:
    """The id of the scheduled event of the activity, or Nexus operation, that this event is about."""
    scheduled_event_id: int = getattr(event, _ATTRIBUTES[event.event_type]).scheduled_event_id
    return scheduled_event_id


def initiated_event_id_of(event: HistoryEvent) -> int:
    """The id of the event with which that began which this event, of a child say, brings on."""
    initiated_event_id: int = getattr(event, _ATTRIBUTES[event.event_type]).initiated_event_id
    return initiated_event_id


#: To look a value up in the API's enumerations takes longer than to compare it.
_ACTIVITY_STARTED = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
_CHILD_STARTED = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED

#: The events that say something about others, or about the run as a whole.
_NOTED = _RESULTS_WITH_STARTED_EVENT | CLOSING_EVENTS | {_ACTIVITY_STARTED, _CHILD_STARTED}


class History:
    """Events with dense ids from 1, and the events that wait for the open workflow task to close."""

    __slots__ = (
        "_batch_ends",
        "_buffer",
        "_next_task_id",
        "_settled_buffer",
        "_settled_count",
        "_started_ids",
        "closed",
        "events",
        "settled_bytes",
        "size_bytes",
    )

    def __init__(self, next_task_id: Callable[[], int]) -> None:
        self.events: list[HistoryEvent] = []
        self.size_bytes = 0
        #: The size at the end of the last change.
        self.settled_bytes = 0
        self.closed = False
        self._batch_ends: list[int] = []
        self._buffer: list[HistoryEvent] = []
        #: The buffer at the end of the last change, and how many of its events were there by then.
        self._settled_buffer = (self._buffer, 0)
        self._settled_count = 0
        self._started_ids: dict[int, int] = {}
        self._next_task_id = next_task_id

    @property
    def next_event_id(self) -> int:
        return len(self.events) + 1

    @property
    def has_buffered(self) -> bool:
        return bool(self._buffer)

    def add(
        self, event_type: EventType.ValueType, now: Nanoseconds, attributes: Message
    ) -> HistoryEvent:
        """Append an event, or buffer it if its kind has to wait for the open workflow task.

        A buffered event has no id until `flush_buffer`.
        """
        if self.closed:
            raise AssertionError(f"{EventType.Name(event_type)} after the run has closed")
        event = HistoryEvent(event_type=event_type)
        show(event.event_time, now)
        getattr(event, _ATTRIBUTES[event_type]).CopyFrom(attributes)
        if event_type in _NEVER_BUFFERED:
            self._append(event)
        else:
            self._buffer.append(event)
        return event

    def take_over(self, other: History, last: int) -> list[HistoryEvent]:
        """Begin with copies of another history's events up to the event `last`, and return them."""
        for event in other.events[:last]:
            copy = HistoryEvent()
            copy.CopyFrom(event)
            self._append(copy)
        self._batch_ends = other._batch_ends[: bisect_right(other._batch_ends, last)]
        return [*self.events]

    def end_batch(self) -> None:
        """The change that has added the last events is complete."""
        last, ends = len(self.events), self._batch_ends
        if last and (not ends or ends[-1] != last):
            ends.append(last)

    def settle(self) -> None:
        """A change of the run, of one batch or several, is complete."""
        self.end_batch()
        self.settled_bytes = self.size_bytes
        self._settled_count = len(self.events)
        self._settled_buffer = (self._buffer, len(self._buffer))

    def undo_change(self) -> None:
        """Forget all events since the run settled; what was buffered then is buffered again."""
        if not self._settled_count:
            return
        del self.events[self._settled_count :]
        del self._batch_ends[bisect_right(self._batch_ends, self._settled_count) :]
        self.size_bytes = self.settled_bytes
        buffer, count = self._settled_buffer
        self._buffer = buffer[:count]

    def ends_batch(self, event_id: int) -> bool:
        """Whether the event is the last of those that were added by one change."""
        at = bisect_left(self._batch_ends, event_id)
        return at < len(self._batch_ends) and self._batch_ends[at] == event_id

    def flush_buffer(self) -> None:
        """Append what was buffered, in the order in which the real server does."""
        if not self._buffer:
            return
        buffered, self._buffer = self._buffer, []
        if self.closed:
            return
        for event in buffered:
            if event.event_type not in _RESULTS:
                self._append(event)
        for event in buffered:
            if event.event_type in _RESULTS:
                self._append(event)

    def discard_buffer(self) -> None:
        self._buffer = []

    def buffered_timer_fired(self, timer_id: str) -> HistoryEvent | None:
        """The buffered firing of a timer, which its cancellation may still undo."""
        for event in self._buffer:
            if (
                event.event_type == EventType.EVENT_TYPE_TIMER_FIRED
                and event.timer_fired_event_attributes.timer_id == timer_id
            ):
                return event
        return None

    def take_buffered_timer_fired(self, timer_id: str) -> HistoryEvent | None:
        """Remove the buffered firing of a timer that is being cancelled, if there is one."""
        fired = self.buffered_timer_fired(timer_id)
        if fired is not None:
            self._buffer = [event for event in self._buffer if event is not fired]
        return fired

    def has_buffered_result(self, scheduled_event_id: int) -> bool:
        """Whether the end of an activity is waiting for the open workflow task to close."""
        return self._has_buffered(_RESULTS_OF_ACTIVITIES, scheduled_event_id)

    def has_buffered_nexus_result(self, scheduled_event_id: int) -> bool:
        """Whether the end of a Nexus operation is waiting for the open workflow task to close."""
        return self._has_buffered(_RESULTS_OF_NEXUS_OPERATIONS, scheduled_event_id)

    def _has_buffered(
        self, results: frozenset[EventType.ValueType], scheduled_event_id: int
    ) -> bool:
        return any(
            event.event_type in results and scheduled_event_id_of(event) == scheduled_event_id
            for event in self._buffer
        )

    @property
    def buffered_count(self) -> int:
        return len(self._buffer)

    @property
    def buffered_bytes(self) -> int:
        return sum(event.ByteSize() for event in self._buffer)

    def _append(self, event: HistoryEvent) -> None:
        event.event_id = len(self.events) + 1
        event.task_id = self._next_task_id()
        if event.event_type in _NOTED:
            self._note(event)
        self.events.append(event)
        self.size_bytes += event.ByteSize()

    def _note(self, event: HistoryEvent) -> None:
        """Connect starts with results, and see the end of the run."""
        kind = event.event_type
        if kind == _ACTIVITY_STARTED:
            scheduled = event.activity_task_started_event_attributes.scheduled_event_id
            self._started_ids[scheduled] = event.event_id
        elif kind == _CHILD_STARTED:
            initiated = event.child_workflow_execution_started_event_attributes.initiated_event_id
            self._started_ids[initiated] = event.event_id
        elif kind in _RESULTS_WITH_STARTED_EVENT:
            attributes = getattr(event, _ATTRIBUTES[kind])
            opened = (
                attributes.scheduled_event_id
                if kind in _RESULTS_OF_ACTIVITIES
                else attributes.initiated_event_id
            )
            started = self._started_ids.pop(opened, 0)
            if started:
                attributes.started_event_id = started
        elif kind in CLOSING_EVENTS:
            self.closed = True
