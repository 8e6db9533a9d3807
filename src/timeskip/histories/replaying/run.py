"""The part of a run's history that a replay can say something about."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.api.enums.v1 import EventType
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history.v1 import HistoryEvent

from timeskip.lanes.direct.sequences import COMMAND_EVENTS

_FAILURES = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
)

#: With this the core's messages about nondeterminism begin.
_CORE = "[TMPRL1100]"


def completed_part(events: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    """All up to the last completed workflow task and what it asked for.

    What came in since nobody has acted upon. Replaying it, too, would run code of the workflow for
    the first time, with its logs and all else that a replay leaves out.
    """
    completed = [
        index
        for index, event in enumerate(events)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    if not completed:
        return []
    end = completed[-1] + 1
    while end < len(events) and events[end].event_type in COMMAND_EVENTS:
        end += 1
    return list(events[:end])


def was_nondeterministic(events: Sequence[HistoryEvent]) -> bool:
    """Whether a worker has found the run nondeterministic: its task failed, or it did itself."""
    return any(
        event.workflow_task_failed_event_attributes.cause
        == Cause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
        or event.workflow_execution_failed_event_attributes.failure.message.startswith(_CORE)
        for event in events
        if event.event_type in _FAILURES
    )
