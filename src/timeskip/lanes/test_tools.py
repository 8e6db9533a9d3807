"""What modules of tests import and no workflow does: nothing for the SDK's sandbox."""

from __future__ import annotations

import dataclasses

from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

#: Modules of tests that hold workflows too import these. The SDK's sandbox would import them anew
#: for every workflow, which takes long and, for some, fails.
_TEST_TOOLS = (
    "timeskip",
    "_pytest",
    "freezegun",
    "hypothesis",
    "pluggy",
    "pytest",
    "pytest_asyncio",
)


def passing_test_tools(runner: WorkflowRunner) -> WorkflowRunner:
    """The same runner; if it is a sandbox, it leaves the modules that only tests need alone."""
    if not isinstance(runner, SandboxedWorkflowRunner):
        return runner
    restrictions = runner.restrictions.with_passthrough_modules(*_TEST_TOOLS)
    return dataclasses.replace(runner, restrictions=restrictions)
