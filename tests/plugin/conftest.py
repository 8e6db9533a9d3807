"""A project that has a workflow, and nothing else."""

from __future__ import annotations

# What a pytest in this process imports is forgotten when it ends, and would be imported once more.
import hypothesis  # noqa: F401
import pytest

import timeskip.lanes.direct.lane
import timeskip.lanes.wire.server  # noqa: F401

_WORKFLOWS = """
import asyncio
from datetime import timedelta
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError


@workflow.defn(sandboxed=False)
class Sleeper:
    @workflow.run
    async def run(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "awake"


@workflow.defn(sandboxed=False)
class Broken:
    @workflow.run
    async def run(self) -> str:
        raise RuntimeError("a bug in the workflow")


@workflow.defn(sandboxed=False)
class Waiter:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A directory with `workflows.py`, in which a test writes its test file."""
    pytester.makepyfile(workflows=_WORKFLOWS)
    return pytester
