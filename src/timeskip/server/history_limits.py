"""What happens to runs that have grown too large: their history, the buffer in front of it, or state.

The change that goes too far is undone, as on the real server: what it has written is not in the
history, and whoever asked for it is refused. Only its end is, and that of the workflow task that a
worker may hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from timeskip.server import termination, workflow_tasks
from timeskip.server.errors import HistoryLimitExceeded, StatusCode

if TYPE_CHECKING:
    from timeskip.server.run import Run


def enforce(run: Run) -> HistoryLimitExceeded | None:
    """Terminate an open run if its history is too long; the refusal of the change, if so.

    Events that wait in the buffer do not count yet, nor does the size of those of this very change.
    """
    limits = run.cluster.limits
    if run.history.settled_bytes > limits.history_bytes:
        reason = "Workflow history size exceeds limit."
    elif len(run.history.events) > limits.history_events:
        reason = "Workflow history count exceeds limit."
    else:
        return None
    run.history.undo_change()
    _forget_what_began(run)
    if run.workflow_task is not None:
        run.workflow_task.forget()
    task, started_event_id = run.settled_workflow_task
    if task is not None and task.scheduled_event_id <= len(run.history.events):
        task.started_event_id = started_event_id
        run.workflow_task = task
    else:
        run.workflow_task = None
    termination.abandon_workflow_task(run)
    termination.terminate_open(run, reason, None, termination.HISTORY_SERVICE)
    return HistoryLimitExceeded(StatusCode.INVALID_ARGUMENT, reason)


def _forget_what_began(run: Run) -> None:
    """Descriptions and parent close policies shall not find what the undone change had begun."""
    last = len(run.history.events)
    for event_id in [opened for opened in run.activities if opened > last]:
        run.activities.pop(event_id).forget()
    for event_id in [opened for opened in run.children if opened > last]:
        del run.children[event_id]


def enforce_on_buffer(run: Run) -> None:
    """Fail the task that a worker holds if too much has happened meanwhile: the next one sees it."""
    history, limits = run.history, run.cluster.limits
    if (
        history.buffered_count > limits.buffered_events
        or history.buffered_bytes > limits.buffered_bytes
    ):
        termination.abandon_workflow_task(run)
        workflow_tasks.schedule(run)


def enforce_on_state(run: Run) -> None:
    """Terminate a run that keeps too much, and refuse what it was to keep as well.

    Only heartbeats can bring a run there: all else that it keeps has narrower limits.
    """
    kept = [
        *run.memo.values(),
        *run.search_attributes.values(),
        *(activity.heartbeat_details for activity in run.activities.values()),
    ]
    size = sum(each.ByteSize() for each in kept if each is not None)
    if size + run.history.buffered_bytes > run.cluster.limits.state_bytes:
        reason = "Workflow mutable state size exceeds limit."
        termination.abandon_workflow_task(run)
        termination.terminate_open(run, reason, None, termination.HISTORY_SERVICE)
        run.commit()
        raise HistoryLimitExceeded(StatusCode.INVALID_ARGUMENT, reason)
