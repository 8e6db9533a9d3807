"""A side effect in a local activity.

Its end is written down only with the workflow task. If the worker dies before, it has never been, and is
done again. The twin draws its number under a key.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import activity, workflow

from timeskip import Ledger, Simulation

MINUTE = timedelta(minutes=1)


@activity.defn
async def draw_number(key: str | None) -> None:
    Ledger.of_test().record("number", key=key)


@workflow.defn(sandboxed=False)
class Invoice:
    @workflow.run
    async def run(self, has_key: bool) -> str:
        key = workflow.info().run_id if has_key else None
        await workflow.execute_local_activity(draw_number, key, start_to_close_timeout=MINUTE)
        return "written"


async def play(sim: Simulation, has_key: bool) -> None:
    async with sim.worker(workflows=[Invoice], activities=[draw_number]):
        await sim.client.execute_workflow(
            Invoice.run, has_key, id="invoice-1", task_queue=sim.task_queue
        )


@pytest.mark.crash_sweep
async def test_bug(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, has_key=False)
    assert ledger.count("number") == 1


@pytest.mark.crash_sweep
async def test_twin(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, has_key=True)
    assert ledger.count("number") == 1
