"""Which events belong together, and cutting a history into what each activation sees.

A replay must hand the workflow the events in the same portions as the first execution did: from one
workflow task that led to something up to the next. Failed and timed out tasks, and mere heartbeats,
are no portions of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from timeskip.lanes.direct import event_types

COMMAND_EVENTS = frozenset(
    {
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED,
        EventType.EVENT_TYPE_MARKER_RECORDED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUESTED,
        EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
        EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
        EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
        EventType.EVENT_TYPE_TIMER_CANCELED,
        EventType.EVENT_TYPE_TIMER_STARTED,
        EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_REJECTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
    }
)

FINAL_EVENTS = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
    }
)

#: Kinds of events that go on with what another event began, by what they call that event's id.
_CONTINUING: Mapping[str, tuple[EventType.ValueType, ...]] = {
    "scheduled_event_id": (
        EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_STARTED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_COMPLETED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_FAILED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_TIMED_OUT,
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCELED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_COMPLETED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_FAILED,
    ),
    "started_event_id": (EventType.EVENT_TYPE_TIMER_FIRED,),
    "initiated_event_id": (
        EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
        EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED,
        EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED,
    ),
}


def _initial_event_id(kind: EventType.ValueType, field: str) -> Callable[[HistoryEvent], int]:
    name = EventType.Name(kind).removeprefix("EVENT_TYPE_").lower()
    return attrgetter(f"{name}_event_attributes.{field}")


#: For each of these kinds, how to find out the id of the event that began it.
INITIAL_EVENTS: Mapping[EventType.ValueType, Callable[[HistoryEvent], int]] = {
    kind: _initial_event_id(kind, field) for field, kinds in _CONTINUING.items() for kind in kinds
}

_LEADS_TO_NOTHING = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
    }
)


def end_of_sequence(events: Sequence[HistoryEvent], start: int, after_id: int) -> int:
    """The index after the portion that begins at `start`; the length of `events` if it is the last.

    Events up to the id `after_id` were in a portion before and say nothing about this one.
    """
    saw_command = False
    saw_cause = False
    tasks: list[int] = []
    for index in range(start, len(events)):
        event = events[index]
        if event.event_id <= after_id:
            continue
        kind = event.event_type
        if kind in COMMAND_EVENTS:
            saw_command = saw_cause = True
        elif kind == event_types.EXECUTION_STARTED:
            saw_cause = True
        if kind in FINAL_EVENTS:
            return index + 1
        if kind != event_types.TASK_STARTED:
            continue
        following = _type_at(events, index + 1)
        if following in _LEADS_TO_NOTHING:
            continue
        tasks.append(index)
        after_completion = _type_at(events, index + 2)
        if following == event_types.TASK_COMPLETED and after_completion is not None:
            is_heartbeat = after_completion == event_types.TASK_SCHEDULED
            if saw_command or not is_heartbeat:
                return _task_that_handled(events, tasks, events[index + 2]) + 1
        elif saw_cause:
            return index + 1
    return len(events)


def _task_that_handled(
    events: Sequence[HistoryEvent], tasks: Sequence[int], effect: HistoryEvent
) -> int:
    """The index of the start of the task that `effect` comes from: the last one, as a rule.

    An update may have been accepted in an earlier task than the one that recorded it. A replay has
    to run its handler at that point.
    """
    if effect.event_type == event_types.UPDATE_ACCEPTED:
        accepted = effect.workflow_execution_update_accepted_event_attributes
        sequenced_at = accepted.accepted_request_sequencing_event_id
        for index in reversed(tasks):
            if events[index].event_id < sequenced_at:
                return index
    return tasks[-1]


def _type_at(events: Sequence[HistoryEvent], index: int) -> EventType.ValueType | None:
    return events[index].event_type if index < len(events) else None
