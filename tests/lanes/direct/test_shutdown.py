"""Workers of the direct lane that stop while something runs: in virtual time, and without haste."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowHandle

from timeskip import Simulation

DAY = timedelta(days=1)

heard: list[str] = []


@activity.defn
async def tidy_up(hours: float) -> str:
    """Sleeps, and needs half an hour more when it is cancelled."""
    try:
        await asyncio.sleep(hours * 3600)
    except asyncio.CancelledError:
        heard.append("cancelled")
        await asyncio.sleep(1800)
        heard.append("tidy")
        raise
    heard.append("done")
    return "done"


@workflow.defn
class Calls:
    @workflow.run
    async def run(self, local: bool, hours: float) -> str:
        if local:
            return await workflow.execute_local_activity(tidy_up, hours, start_to_close_timeout=DAY)
        return await workflow.execute_activity(tidy_up, hours, start_to_close_timeout=DAY)


@pytest.fixture(autouse=True)
def _nothing_heard() -> None:
    heard.clear()


async def start(sim: Simulation, *, local: bool = False) -> WorkflowHandle[Calls, str]:
    return await sim.client.start_workflow(
        Calls.run, args=[local, 0.2 if local else 3], id="calls", task_queue=sim.task_queue
    )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("grace", "told", "elapsed"),
    [
        (timedelta(), ["cancelled", "tidy"], timedelta(hours=1.5)),
        (timedelta(hours=1), ["cancelled", "tidy"], timedelta(hours=2.5)),
        (timedelta(hours=2), ["done"], timedelta(hours=3)),
        (timedelta(hours=5), ["done"], timedelta(hours=3)),
    ],
)
async def test_activities_have_the_period_of_grace(
    grace: timedelta, told: list[str], elapsed: timedelta
) -> None:
    async with Simulation(lane="direct") as sim:
        async with sim.worker(
            workflows=[Calls], activities=[tidy_up], graceful_shutdown_timeout=grace
        ):
            await start(sim)
            await sim.sleep(timedelta(hours=1))
        assert heard == told
        assert sim.elapsed == elapsed


@pytest.mark.asyncio
async def test_workflow_of_a_worker_that_stopped_goes_on_with_another() -> None:
    async with Simulation(lane="direct") as sim:
        async with sim.worker(workflows=[Calls], activities=[tidy_up]):
            handle = await start(sim)
            await sim.sleep(timedelta(hours=1))
        async with sim.worker(workflows=[Calls], activities=[tidy_up]):
            assert await handle.result() == "done"


@pytest.mark.asyncio
async def test_worker_that_stops_waits_for_local_activities() -> None:
    async with Simulation(lane="direct") as sim:
        async with sim.worker(workflows=[Calls], activities=[tidy_up]):
            handle = await start(sim, local=True)
            await sim.sleep(timedelta(minutes=5))
        assert sim.elapsed == timedelta(minutes=12)
        assert heard == ["done"]
        async with sim.worker(workflows=[Calls], activities=[tidy_up]):
            assert await handle.result() == "done"


@pytest.mark.asyncio
async def test_worker_with_nothing_to_do_stops_at_once() -> None:
    async with Simulation(lane="direct") as sim:
        async with sim.worker(
            workflows=[Calls], activities=[tidy_up], graceful_shutdown_timeout=DAY
        ):
            await sim.sleep(1)
        assert sim.elapsed == timedelta(seconds=1)
