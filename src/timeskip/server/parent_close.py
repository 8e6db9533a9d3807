"""What becomes of the children of a run that closes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ParentClosePolicy
from temporalio.api.history.v1 import HistoryEvent

from timeskip.server import cancellation, termination
from timeskip.server.errors import HistoryLimitExceeded

if TYPE_CHECKING:
    from timeskip.server.children import Child
    from timeskip.server.run import Run


def apply(run: Run, closed: HistoryEvent) -> None:
    """End, or ask to end, the children that are still running, as each was started to be."""
    for child in run.children.values():
        latest = _latest_run(run, child)
        if latest is None or not latest.is_open:
            continue
        policy = child.initiated.parent_close_policy
        if policy == ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE:
            termination.abandon_workflow_task(latest)
            termination.terminate_open(
                latest, "by parent close policy", None, termination.HISTORY_SERVICE
            )
            latest.commit()
        elif policy == ParentClosePolicy.PARENT_CLOSE_POLICY_REQUEST_CANCEL:
            with contextlib.suppress(HistoryLimitExceeded):  # that has ended the child as well
                cancellation.request_cancel(
                    latest,
                    "",
                    termination.HISTORY_SERVICE,
                    external=WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id),
                )


def _latest_run(run: Run, child: Child) -> Run | None:
    """The run that the child has come to, if it has started and its id is still its own.

    It has to be a child of this very run: one that a reset has brought along goes on.
    """
    if not child.run_id:
        return None
    current = child.namespace.current_run(child.initiated.workflow_id)
    if (
        current is None
        or current.started.first_execution_run_id != child.run_id
        or current.started.parent_workflow_execution.run_id != run.run_id
    ):
        return None
    return current
