"""An idempotency key that is another one in each attempt.

The activity makes it up, so the next attempt has another one. The twin is given it by the workflow, whose
history has it.
"""

import uuid
from datetime import timedelta

import pytest
from temporalio import activity, workflow

from timeskip import Ledger, Simulation

MINUTE = timedelta(minutes=1)


@activity.defn
async def charge(key: str | None) -> None:
    Ledger.of_test().record("charge", key=key or uuid.uuid4())


@workflow.defn(sandboxed=False)
class Order:
    @workflow.run
    async def run(self, gives_key: bool) -> str:
        key = str(workflow.uuid4()) if gives_key else None
        await workflow.execute_activity(charge, key, start_to_close_timeout=MINUTE)
        return "paid"


async def play(sim: Simulation, gives_key: bool) -> None:
    async with sim.worker(workflows=[Order], activities=[charge]):
        await sim.client.execute_workflow(
            Order.run, gives_key, id="order-1", task_queue=sim.task_queue
        )


@pytest.mark.crash_sweep
async def test_bug(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, gives_key=False)
    assert ledger.count("charge") == 1


@pytest.mark.crash_sweep
async def test_twin(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, gives_key=True)
    assert ledger.count("charge") == 1
