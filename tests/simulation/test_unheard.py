"""What goes wrong while the test waits for nothing: not everything of that is news to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHandle

from timeskip import Simulation, WorkflowTaskFailed

pytestmark = [pytest.mark.asyncio, pytest.mark.both_lanes]


@workflow.defn(sandboxed=False)
class Fails:
    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("oops")


async def fail_unheard(sim: Simulation) -> WorkflowHandle[Any, Any]:
    async with sim.worker(workflows=[Fails]):
        handle = await sim.client.start_workflow(Fails.run, id="fails", task_queue=sim.task_queue)
        while "WORKFLOW_TASK_FAILED" not in str(sim.runs[0].history):  # noqa: ASYNC110
            await asyncio.sleep(0)
    return handle


async def test_bug_that_nobody_waited_for_is_told_by_the_next_wait(sim: Simulation) -> None:
    await fail_unheard(sim)
    with pytest.raises(WorkflowTaskFailed, match="RuntimeError: oops"):
        await sim.sleep(1)


async def test_bug_that_the_test_reads_in_the_history_needs_no_telling(sim: Simulation) -> None:
    handle = await fail_unheard(sim)
    await handle.fetch_history()
    await sim.sleep(1)


async def test_bug_of_a_workflow_that_the_test_ends_needs_no_telling(sim: Simulation) -> None:
    handle = await fail_unheard(sim)
    await handle.terminate()
    await sim.sleep(1)
