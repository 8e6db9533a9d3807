"""Where a run is reset to when nobody names the event: its first task, its last one, a build's first."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.api.common.v1 import ResetOptions
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from timeskip.server.errors import invalid_argument
from timeskip.server.run import Run

_SCHEDULED = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


def find_target(run: Run, options: ResetOptions) -> tuple[str, int]:
    """The id of the run that is to be reset, and the event with which its workflow task finished.

    Raises INVALID_ARGUMENT if there is none. The build's first task may be one of an earlier run.
    """
    target = options.WhichOneof("target")
    if target == "workflow_task_id":
        return run.run_id, options.workflow_task_id
    if target == "build_id":
        return _of_build(run, options)
    events = run.history.events
    return run.run_id, _finished_task(events if target == "first_workflow_task" else events[::-1])


def _of_build(run: Run, options: ResetOptions) -> tuple[str, int]:
    for point in run.reset_points.points:
        if point.build_id == options.build_id:
            if options.current_run_only and point.run_id != run.run_id:
                raise invalid_argument(
                    f"reset point for build ID {options.build_id} points to previous run"
                )
            return point.run_id, point.first_workflow_task_completed_id
    raise invalid_argument(f"can't find reset point for build ID {options.build_id}")


def _finished_task(events: Iterable[HistoryEvent]) -> int:
    """The first completed event, or what would follow a task that was scheduled at least."""
    after_scheduled = 0
    for event in events:
        if event.event_type == _COMPLETED:
            return event.event_id
        if event.event_type == _SCHEDULED and not after_scheduled:
            after_scheduled = event.event_id + 1
    if not after_scheduled:
        raise invalid_argument("unable to find any scheduled or completed task")
    return after_scheduled
