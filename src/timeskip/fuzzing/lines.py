"""The lines of a workflow's code that a crash point is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

from temporalio.api.history.v1 import HistoryEvent

from timeskip.faults.crash_points import CrashPoint
from timeskip.histories.replaying.commands import Place, key_of_event
from timeskip.histories.run_records import RunRecord
from timeskip.lanes.direct import local_activity_markers

_CALL = re.compile(r"@(\d+)#\d+(?::|$)")


def lines_of(point: CrashPoint, runs: Sequence[RunRecord]) -> Iterator[Place]:
    """Where something was called, or what a workflow task has asked for; else nothing."""
    run = next((run for run in runs if run.run_id == point.run_id), None)
    if run is None:
        return
    for event in _events(point, run.history.events):
        key = key_of_event(event)
        place = run.places.get(key) if key is not None else None
        if place is not None:
            yield place


def _events(point: CrashPoint, events: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    """The events of the commands in question."""
    if point.kind in ("activity", "heartbeat"):
        return [event for event in events if _activity_of(event) == point.activity_id]
    if point.kind == "local-activity":
        return [event for event in events if _local_activity_of(event) == point.activity_id]
    if point.kind in ("nexus-task", "nexus-cancel"):
        called = [event for event in events if _operation_of(event) == point.subject]
        number = _CALL.search(point.id)
        nth = int(number[1]) if number else 1
        return called[nth - 1 : nth]
    if point.kind in ("workflow-task", "update"):
        return _commands(point, events)
    return []


def _operation_of(event: HistoryEvent) -> str:
    """The name of the Nexus operation that is asked for there, with its service."""
    if not event.HasField("nexus_operation_scheduled_event_attributes"):
        return ""
    scheduled = event.nexus_operation_scheduled_event_attributes
    return f"{scheduled.service}/{scheduled.operation}"


def _activity_of(event: HistoryEvent) -> str | None:
    """The id of the activity that is asked for there."""
    if event.HasField("activity_task_scheduled_event_attributes"):
        return event.activity_task_scheduled_event_attributes.activity_id
    return None


def _local_activity_of(event: HistoryEvent) -> str | None:
    """The same of a local activity, which leaves its marker only when it has ended."""
    if local_activity_markers.is_marker(event):
        return local_activity_markers.read(event).activity_id
    return None


def _commands(point: CrashPoint, events: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    """What follows on the end of the point's workflow task, up to the beginning of the next."""
    ends = [
        index
        for index, event in enumerate(events)
        if event.HasField("workflow_task_completed_event_attributes")
    ]
    before = point.moment.startswith("before-")
    found = [end for end in ends if (end >= point.event_id) == before]
    if not found:
        return []
    end = found[0] if before else found[-1]
    return list(
        takewhile(
            lambda event: not event.HasField("workflow_task_started_event_attributes"),
            events[end + 1 :],
        )
    )
