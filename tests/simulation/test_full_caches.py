"""Workers whose cache is full, and whose core, the SDK's own, drops or keeps back what it has taken."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow

from timeskip import Simulation

pytestmark = pytest.mark.asyncio


@activity.defn
async def dawdle() -> int:
    """Takes a minute, unless its worker ends it before."""
    await asyncio.sleep(60)
    return 1


@workflow.defn(sandboxed=False)
class Dawdles:
    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_local_activity(
            dawdle, schedule_to_close_timeout=timedelta(hours=1)
        )


@workflow.defn(sandboxed=False)
class Waits:
    """Until it has had a signal."""

    def __init__(self) -> None:
        self._has_come = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self._has_come)
        return "came"

    @workflow.signal
    def come(self) -> None:
        self._has_come = True


@pytest.mark.slow
@pytest.mark.timeskip(lane="wire")
async def test_task_that_the_core_drops_times_out_and_is_tried_again(sim: Simulation) -> None:
    async with sim.worker(workflows=[Dawdles, Waits], activities=[dawdle], max_cached_workflows=1):
        waiting = await sim.client.start_workflow(Waits.run, id="waits", task_queue=sim.task_queue)
        dawdling = await sim.client.start_workflow(
            Dawdles.run, id="dawdles", task_queue=sim.task_queue
        )
        await waiting.signal(Waits.come)
        queries = [asyncio.ensure_future(waiting.query("__stack_trace")) for _ in range(3)]
        assert await waiting.result() == "came"
        await asyncio.gather(*queries)
        assert await dawdling.result() == 1
    # Ten seconds more if the core has dropped the task, which it does as a rule but not always.
    assert sim.elapsed in (timedelta(seconds=60), timedelta(seconds=70))
