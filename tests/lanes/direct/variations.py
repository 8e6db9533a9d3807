"""Recorded histories as they might have been: of another workflow, cut short, of an older SDK."""

from __future__ import annotations

from collections.abc import Collection

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory


def as_if_of(history: WorkflowHistory, workflow: str) -> WorkflowHistory:
    """The history with another workflow type in its first event."""
    first, *others = history.events
    changed = _copy(first)
    changed.workflow_execution_started_event_attributes.workflow_type.name = workflow
    return WorkflowHistory(history.workflow_id, [changed, *others])


def cut(history: WorkflowHistory, length: int) -> WorkflowHistory:
    """The first events of the history, as if it had been fetched while the run went on."""
    return WorkflowHistory(history.workflow_id, list(history.events)[:length])


def without_flags(history: WorkflowHistory, flags: Collection[int]) -> WorkflowHistory:
    """The history as a core would have recorded it that did not know these flags."""
    events = [_copy(event) for event in history.events]
    for event in events:
        metadata = event.workflow_task_completed_event_attributes.sdk_metadata
        if metadata.core_used_flags:
            kept = [flag for flag in metadata.core_used_flags if flag not in flags]
            del metadata.core_used_flags[:]
            metadata.core_used_flags.extend(kept)
    return WorkflowHistory(history.workflow_id, events)


def without_times(history: WorkflowHistory) -> WorkflowHistory:
    """The history as somebody may have shortened it."""
    events = [_copy(event) for event in history.events]
    for event in events:
        event.ClearField("event_time")
    return WorkflowHistory(history.workflow_id, events)


def _copy(event: HistoryEvent) -> HistoryEvent:
    copied = HistoryEvent()
    copied.CopyFrom(event)
    return copied
