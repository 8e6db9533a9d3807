"""A signal that is lost when a workflow continues as new.

As long as nothing happens every item is counted before the next one comes. After a crash two come at once,
and the second is left behind. The twin takes along what is not counted yet.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import workflow

from timeskip import Simulation

MINUTE = timedelta(minutes=1)


class _Cart:
    takes_along = False

    def __init__(self) -> None:
        self._items: list[int] = []

    async def count(self, total: int, items: list[int]) -> int:
        self._items[:0] = items
        counted = 0
        while True:
            await workflow.wait_condition(lambda: bool(self._items))
            item = self._items.pop(0)
            if not item:
                return total
            total, counted = total + item, counted + 1
            if counted == 2:
                left = self._items if self.takes_along else []
                workflow.continue_as_new(args=[total, left])


@workflow.defn(sandboxed=False)
class ForgetfulCart(_Cart):
    @workflow.run
    async def run(self, total: int, items: list[int]) -> int:
        return await self.count(total, items)

    @workflow.signal
    def add(self, item: int) -> None:
        self._items.append(item)


@workflow.defn(sandboxed=False)
class Cart(_Cart):
    takes_along = True

    @workflow.run
    async def run(self, total: int, items: list[int]) -> int:
        return await self.count(total, items)

    @workflow.signal
    def add(self, item: int) -> None:
        self._items.append(item)


async def play(sim: Simulation, cart: type[ForgetfulCart] | type[Cart]) -> int:
    async with sim.worker(workflows=[cart]):
        handle = await sim.client.start_workflow(
            cart.run, args=[0, []], id="cart-1", task_queue=sim.task_queue
        )
        latest = sim.client.get_workflow_handle("cart-1")
        for number, item in enumerate([1, 2, 3, 4, 5]):
            sim.at(timedelta(seconds=5 * (number + 1)), latest.signal, "add", item)
        sim.at(MINUTE, latest.signal, "add", 0)
        await sim.sleep(2 * MINUTE)
        description = await latest.describe()
        assert description.close_time is not None, "items are missing"
        return await handle.result()


@pytest.mark.crash_sweep
async def test_bug(sim: Simulation) -> None:
    assert await play(sim, ForgetfulCart) == 15


@pytest.mark.crash_sweep
async def test_twin(sim: Simulation) -> None:
    assert await play(sim, Cart) == 15
