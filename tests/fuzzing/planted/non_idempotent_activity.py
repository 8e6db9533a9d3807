"""An activity that is not idempotent.

The worker dies between the charge and its report, so the card is charged again. The twin sends a key
that is the same in all attempts.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import activity, workflow

from timeskip import Ledger, Simulation

MINUTE = timedelta(minutes=1)


@activity.defn
async def charge_each_time(order: str) -> None:
    Ledger.of_test().record("charge", order=order)


@activity.defn
async def charge_once(order: str) -> None:
    info = activity.info()
    key = f"{info.workflow_run_id}-{info.activity_id}"
    Ledger.of_test().record("charge", key=key, order=order)


@workflow.defn(sandboxed=False)
class Order:
    @workflow.run
    async def run(self, charge: str) -> str:
        await workflow.execute_activity(charge, "o-1", start_to_close_timeout=MINUTE)
        return "paid"


async def play(sim: Simulation, charge: str) -> None:
    async with sim.worker(workflows=[Order], activities=[charge_each_time, charge_once]):
        await sim.client.execute_workflow(
            Order.run, charge, id="order-1", task_queue=sim.task_queue
        )


@pytest.mark.crash_sweep
async def test_bug(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, "charge_each_time")
    assert ledger.count("charge") == 1


@pytest.mark.crash_sweep
async def test_twin(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, "charge_once")
    assert ledger.count("charge") == 1
