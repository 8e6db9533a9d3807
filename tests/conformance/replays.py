"""Whether the SDK's own core accepts the histories that a lane without it has made."""

from __future__ import annotations

from collections.abc import Iterable

import temporalio.workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from timeskip import RunRecord


class HistoryRefusedError(AssertionError):
    """The real `Replayer` found fault with a history."""


async def require_replayable(runs: Iterable[RunRecord], workflows: Iterable[type]) -> None:
    """Replay what the workflows left behind; raises `HistoryRefusedError`.

    Runs of other workflows are left out, and those whose code changed while they ran: several
    classes of one name.
    """
    classes: dict[str, set[type]] = {}
    for workflow in workflows:
        classes.setdefault(_name(workflow), set()).add(workflow)
    known = {name: one for name, (one, *others) in classes.items() if not others}
    replayable = [run for run in runs if run.workflow_type in known]
    if not replayable:
        return
    replayer = Replayer(workflows=list(known.values()), workflow_runner=UnsandboxedWorkflowRunner())
    for run in replayable:
        history = WorkflowHistory(run.workflow_id, list(run.history.events))
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        if result.replay_failure is not None:
            raise HistoryRefusedError(
                f"the SDK's core refuses the history of {run.workflow_id!r}"
            ) from result.replay_failure


def _name(workflow: type) -> str:
    definition = temporalio.workflow._Definition.must_from_class(workflow)
    return definition.name or ""
