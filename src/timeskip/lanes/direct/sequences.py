"""Cutting a history into what one activation after the other has to see.

A replay must hand the workflow the events in the same portions as the first execution did: from one
workflow task that led to something up to the next. Failed and timed out tasks, and mere heartbeats,
are no portions of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

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

_ENDS_IN_NOTHING = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
    }
)


def end_of_sequence(events: Sequence[HistoryEvent], start: int) -> int:
    """The index after the portion that begins at `start`; the length of `events` if it is the last."""
    saw_command = False
    for index in range(start, len(events)):
        event = events[index]
        kind = event.event_type
        if kind in COMMAND_EVENTS:
            saw_command = True
        if kind in FINAL_EVENTS:
            return index + 1
        if kind == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED and _concludes(
            events, index, saw_command=saw_command
        ):
            return index + 1
    return len(events)


def _concludes(events: Sequence[HistoryEvent], index: int, *, saw_command: bool) -> bool:
    """Whether the workflow task that starts at `index` led to something."""
    following = events[index + 1].event_type if index + 1 < len(events) else None
    if following is None:
        return True
    if following in _ENDS_IN_NOTHING:
        return False
    if following != EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED or index + 2 >= len(events):
        return True
    heartbeat = events[index + 2].event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
    return saw_command or not heartbeat
