"""A child workflow that ends with its parent.

Usually it is done long before. If its worker dies it is not, and by the usual policy it is terminated when
its parent ends. The twin waits for it.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import activity, workflow

from timeskip import Ledger, Simulation

MINUTE = timedelta(minutes=1)


@activity.defn
async def ship() -> None:
    Ledger.of_test().record("parcel", key=activity.info().workflow_run_id)


@workflow.defn(sandboxed=False)
class Shipping:
    @workflow.run
    async def run(self) -> str:
        await workflow.execute_activity(ship, start_to_close_timeout=MINUTE)
        return "shipped"


@workflow.defn(sandboxed=False)
class Order:
    @workflow.run
    async def run(self, waits: bool) -> str:
        shipping = await workflow.start_child_workflow(Shipping.run, id="shipping-1")
        await workflow.sleep(30)
        if waits:
            await shipping
        return "thank you"


async def play(sim: Simulation, waits: bool) -> None:
    async with sim.worker(workflows=[Order, Shipping], activities=[ship]):
        await sim.client.execute_workflow(Order.run, waits, id="order-1", task_queue=sim.task_queue)


@pytest.mark.crash_sweep
async def test_bug(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, waits=False)
    assert ledger.count("parcel") == 1


@pytest.mark.crash_sweep
async def test_twin(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, waits=True)
    assert ledger.count("parcel") == 1
