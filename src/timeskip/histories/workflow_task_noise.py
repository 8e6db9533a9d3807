"""What a killed worker or a lost answer leaves in a history although nothing else has come of it.

A workflow task that timed out or failed is tried again, and then goes on as if nothing had been. Such
tasks are taken out, and of those that stay, which attempt they were and on which queue. So is, in a
child's history, the number of the event by which its parent has started it.
"""

from __future__ import annotations

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import (
    History,
    HistoryEvent,
    WorkflowTaskFailedEventAttributes,
    WorkflowTaskTimedOutEventAttributes,
)

from timeskip.histories.event_ids import clear_ids_in_failures, keep_events

#: These are not tried again because of a failure: somebody wanted it so.
_MEANT = (
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
)


def drop_workflow_task_noise(history: History) -> None:
    """Take it out, in place, and number the other events as if it had not been."""
    kinds = {event.event_id: event.event_type for event in history.events}
    lost: set[int] = set()
    for event in history.events:
        ended = _ended_in_vain(event)
        if ended is not None:
            lost.add(event.event_id)
            for event_id, kind in (
                (ended.scheduled_event_id, EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED),
                (ended.started_event_id, EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED),
            ):
                if kinds.get(event_id) == kind:
                    lost.add(event_id)
    keep_events(history, lambda event: event.event_id not in lost)
    clear_ids_in_failures(history)
    for event in history.events:
        if event.HasField("workflow_task_scheduled_event_attributes"):
            scheduled = event.workflow_task_scheduled_event_attributes
            scheduled.ClearField("attempt")
            scheduled.ClearField("task_queue")
            # Later attempts are given more time.
            scheduled.ClearField("start_to_close_timeout")
        elif event.HasField("workflow_execution_started_event_attributes"):
            # The number of an event of the parent's, whose history may have such tasks, too.
            started = event.workflow_execution_started_event_attributes
            started.ClearField("parent_initiated_event_id")


def _ended_in_vain(
    event: HistoryEvent,
) -> WorkflowTaskTimedOutEventAttributes | WorkflowTaskFailedEventAttributes | None:
    if event.HasField("workflow_task_timed_out_event_attributes"):
        return event.workflow_task_timed_out_event_attributes
    if event.HasField("workflow_task_failed_event_attributes"):
        failed = event.workflow_task_failed_event_attributes
        return None if failed.cause in _MEANT else failed
    return None
