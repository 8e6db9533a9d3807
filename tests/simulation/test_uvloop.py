"""Tests that run on uvloop, whose loops do not show what they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta

import pytest
from temporalio import activity, workflow

import timeskip.lanes.news
from timeskip import Simulation, SimulationStuck

uvloop = pytest.importorskip("uvloop")

#: What the activity tells the tests by.
news: asyncio.Event


@activity.defn
async def ship(days: int) -> None:
    await asyncio.sleep(days * 86_400)
    news.set()


@workflow.defn(sandboxed=False)
class Shipment:
    def __init__(self) -> None:
        self._is_delivered = False

    @workflow.run
    async def run(self, days: int) -> str:
        await workflow.sleep(1)
        await workflow.execute_activity(ship, days, start_to_close_timeout=timedelta(days=days + 1))
        await workflow.sleep(0.05)
        self._is_delivered = True
        return "delivered"

    @workflow.query
    def is_delivered(self) -> bool:
        return self._is_delivered


Body = Callable[[Simulation], Awaitable[None]]


@pytest.fixture(params=["direct", "wire"])
def on_uvloop(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Body], None]]:
    """Runs the body of a test on a loop of uvloop's, with a worker."""
    global news
    news = asyncio.Event()
    # Those of other tests, which may still hang about in this process.
    monkeypatch.setattr(timeskip.lanes.news, "_other_threads_work", lambda: False)
    loop = uvloop.new_event_loop()

    async def run(body: Body) -> None:
        async with Simulation(lane=request.param) as sim:
            worker = sim.worker(workflows=[Shipment], activities=[ship])
            async with worker:
                await body(sim)

    yield lambda body: loop.run_until_complete(run(body))
    loop.close()


def test_results_of_many_at_once(on_uvloop: Callable[[Body], None]) -> None:
    async def body(sim: Simulation) -> None:
        runs = [
            sim.client.execute_workflow(
                Shipment.run, days, id=f"shipment-{days}", task_queue=sim.task_queue
            )
            for days in range(1, 20)
        ]
        assert await asyncio.gather(*runs) == ["delivered"] * 19
        assert sim.elapsed == timedelta(days=19, seconds=1, milliseconds=50)

    on_uvloop(body)


def test_event_that_an_activity_sets_after_a_month(on_uvloop: Callable[[Body], None]) -> None:
    async def body(sim: Simulation) -> None:
        await sim.client.start_workflow(
            Shipment.run, 30, id="shipment-1", task_queue=sim.task_queue
        )
        await asyncio.wait_for(news.wait(), timeout=40 * 86_400)
        assert sim.elapsed == timedelta(days=30, seconds=1)

    on_uvloop(body)


def test_time_goes_along_with_a_test_that_looks_again_and_again(
    on_uvloop: Callable[[Body], None],
) -> None:
    async def body(sim: Simulation) -> None:
        handle = await sim.client.start_workflow(
            Shipment.run, 0, id="shipment-1", task_queue=sim.task_queue
        )
        looks = 0
        while not await handle.query(Shipment.is_delivered):
            looks += 1
            await asyncio.sleep(0.01)
        assert looks > 1

    on_uvloop(body)


def test_event_that_nobody_can_set_is_told(on_uvloop: Callable[[Body], None]) -> None:
    async def body(sim: Simulation) -> None:
        if sim.lane == "wire":
            pytest.skip("another process might make something happen")
        with pytest.raises(SimulationStuck, match="in body: await asyncio"):
            await asyncio.Event().wait()

    on_uvloop(body)
