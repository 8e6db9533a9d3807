"""What the code of a workflow is given when its history is replayed, on the Rust core and on ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import temporalio.bridge.worker
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from tests.lanes.direct.replay_core import ReplayCore, Verdict, rust_verdict, simulated_verdict
from tests.lanes.programs.interpreter import WORKFLOWS


async def assert_replayed_alike(history: WorkflowHistory) -> Verdict:
    """Both cores give the same activations, message by message, and the same verdict: this one."""
    replayer = Replayer(workflows=WORKFLOWS, workflow_runner=UnsandboxedWorkflowRunner())
    with _activations(temporalio.bridge.worker.Worker) as theirs:
        their_verdict = await rust_verdict(replayer, history)
    with _activations(ReplayCore) as ours:
        our_verdict = await simulated_verdict(replayer, history)
    assert our_verdict == their_verdict
    assert ours == theirs
    return our_verdict


@contextmanager
def _activations(core: type) -> Iterator[list[WorkflowActivation]]:
    """All that cores of this class give while the block runs."""
    given = []
    poll = vars(core)["poll_workflow_activation"]

    async def poll_and_note(self: object) -> WorkflowActivation:
        activation: WorkflowActivation = await poll(self)
        given.append(WorkflowActivation.FromString(activation.SerializeToString()))
        return activation

    core.poll_workflow_activation = poll_and_note  # type: ignore[attr-defined]
    try:
        yield given
    finally:
        core.poll_workflow_activation = poll  # type: ignore[attr-defined]
