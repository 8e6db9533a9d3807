"""Tells schedules that a workflow has ended that one of them may have started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.history.v1 import HistoryEvent

if TYPE_CHECKING:
    from timeskip.server.run import Run


def tell_schedules(run: Run, closed: HistoryEvent) -> None:
    """Called when a run has closed, with its last event.

    The run itself does not tell which schedule it is: what continues as new may have lost its search
    attributes.
    """
    for schedule in run.namespace.schedules.values():
        schedule.has_closed(run, closed)
