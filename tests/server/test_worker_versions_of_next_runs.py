"""Commands that choose worker versions, which are not there yet, are refused and not misread."""

from __future__ import annotations

import pytest
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import ContinueAsNewVersioningBehavior
from temporalio.api.workflow.v1 import VersioningOverride

from tests.conformance.commands import continue_as_new, start_child
from tests.server.hand_worker import HandWorker, event_names
from timeskip.server.errors import StatusCode

AUTO_UPGRADE = ContinueAsNewVersioningBehavior.CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_AUTO_UPGRADE


@pytest.mark.parametrize(
    "command",
    [
        continue_as_new(initial_versioning_behavior=AUTO_UPGRADE),
        start_child("child", versioning_override=VersioningOverride(auto_upgrade=True)),
    ],
)
def test_command_that_chooses_a_worker_version_is_refused(command: Command) -> None:
    worker = HandWorker()
    run = worker.start()
    refusal = worker.complete(worker.workflow_task(), command).refusal
    assert refusal is not None
    assert refusal.code == StatusCode.UNIMPLEMENTED
    assert event_names(run)[-1] == "WORKFLOW_TASK_STARTED"
