"""An update that is forgotten when the workflow is replayed.

The handler does nothing in a replay, so as not to do it twice. But a replay begins with nothing. The twin
does the same every time.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import workflow

from timeskip import Simulation

MINUTE = timedelta(minutes=1)


class _Order:
    def __init__(self) -> None:
        self._notes: list[str] = []


@workflow.defn(sandboxed=False)
class ForgetfulOrder(_Order):
    @workflow.run
    async def run(self) -> list[str]:
        await workflow.sleep(60)
        return self._notes

    @workflow.update
    def note(self, text: str) -> None:
        if not workflow.unsafe.is_replaying():
            self._notes.append(text)


@workflow.defn(sandboxed=False)
class Order(_Order):
    @workflow.run
    async def run(self) -> list[str]:
        await workflow.sleep(60)
        return self._notes

    @workflow.update
    def note(self, text: str) -> None:
        self._notes.append(text)


async def play(sim: Simulation, order: type[ForgetfulOrder] | type[Order]) -> list[str]:
    async with sim.worker(workflows=[order]):
        handle = await sim.client.start_workflow(order.run, id="order-1", task_queue=sim.task_queue)
        await handle.execute_update("note", "a gift")
        return await handle.result()


@pytest.mark.crash_sweep
async def test_bug(sim: Simulation) -> None:
    assert await play(sim, ForgetfulOrder) == ["a gift"]


@pytest.mark.crash_sweep
async def test_twin(sim: Simulation) -> None:
    assert await play(sim, Order) == ["a gift"]
