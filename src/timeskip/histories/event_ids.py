"""Histories of which only some events are kept: their numbers, and what refers to them."""

from __future__ import annotations

import bisect
from collections.abc import Callable

from google.protobuf.message import Message
from temporalio.api.history.v1 import History, HistoryEvent

from timeskip.histories.set_fields import set_fields

#: Attributes that number an event of the same history.
_REFERENCES = frozenset(
    {
        "accepted_event_id",
        "accepted_request_sequencing_event_id",
        "initiated_event_id",
        "latest_cancel_requested_event_id",
        "rejected_request_sequencing_event_id",
        "requested_event_id",
        "scheduled_event_id",
        "started_event_id",
        "workflow_task_completed_event_id",
    }
)


#: Attributes by which activities and timers are called.
_NAMED = ("activity_id", "timer_id")


def keep_events(
    history: History, keep: Callable[[HistoryEvent], bool], *, forget_dropped: bool = False
) -> None:
    """Drop the other events in place, and number those that stay from where the first one began.

    What referred to a dropped event refers to the next one that was kept, or, with `forget_dropped`,
    to none. Activities and timers that are called by the numbers of their events, as the Go SDK calls
    them, get the new ones. A history of which every event is kept stays as it is.
    """
    called_by_number = _called_by_number(history)
    kept = [event for event in history.events if keep(event)]
    if len(kept) == len(history.events):
        return
    old_ids = [event.event_id for event in kept]
    first = history.events[0].event_id
    known = {old: first + position for position, old in enumerate(old_ids)}

    def new_id(old: int) -> int:
        if old in known or forget_dropped:
            return known.get(old, 0)
        return first + bisect.bisect_left(old_ids, old) if old > 0 else old

    for position, event in enumerate(kept):
        event.event_id = first + position
        attributes = event.WhichOneof("attributes")
        if attributes is not None:
            _renumber(getattr(event, attributes), new_id)
        if called_by_number:
            for owner, field, value in set_fields(event):
                if field.name in _NAMED and value in called_by_number:
                    setattr(owner, field.name, str(new_id(called_by_number[value])))
    events = [HistoryEvent.FromString(event.SerializeToString()) for event in kept]
    del history.events[:]
    history.events.extend(events)


def _called_by_number(history: History) -> dict[str, int]:
    """The ids of activities and timers that are the numbers of their events, if all numbers are."""
    found = {}
    for event in history.events:
        if event.HasField("activity_task_scheduled_event_attributes"):
            name = event.activity_task_scheduled_event_attributes.activity_id
        elif event.HasField("timer_started_event_attributes"):
            name = event.timer_started_event_attributes.timer_id
        else:
            continue
        if name == str(event.event_id):
            found[name] = event.event_id
        elif name.isdecimal():
            return {}
    return found


def _renumber(attributes: Message, new_id: Callable[[int], int]) -> None:
    for field, value in attributes.ListFields():
        if field.name in _REFERENCES:
            setattr(attributes, field.name, new_id(value))


def clear_ids_in_failures(history: History) -> None:
    """Failures tell event ids of whichever run they come from: nobody can say how to number those."""
    for owner, field, _ in set_fields(history):
        if field.name in _REFERENCES and owner.DESCRIPTOR.name.endswith("FailureInfo"):
            owner.ClearField(field.name)
