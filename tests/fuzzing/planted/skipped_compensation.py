"""A compensation that is skipped when the workflow is cancelled.

The refund is remembered once the charge is known to have happened. If its worker dies before the report,
and the workflow is cancelled meanwhile, the card stays charged. The twin remembers it before.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.exceptions import ActivityError

from timeskip import Ledger, Simulation

MINUTE = timedelta(minutes=1)


@activity.defn
async def charge() -> None:
    Ledger.of_test().record("charge", key=activity.info().workflow_run_id)


@activity.defn
async def refund() -> None:
    Ledger.of_test().record("refund", key=activity.info().workflow_run_id)


@workflow.defn(sandboxed=False)
class Order:
    @workflow.run
    async def run(self, remember_first: bool) -> str:
        compensations = [refund] if remember_first else []
        try:
            await workflow.execute_activity(charge, start_to_close_timeout=MINUTE)
            compensations = [refund]
            await workflow.sleep(3600)
        except (ActivityError, asyncio.CancelledError):
            for compensation in compensations:
                await workflow.execute_activity(compensation, start_to_close_timeout=MINUTE)
            return "cancelled"
        return "shipped"


async def play(sim: Simulation, remember_first: bool) -> None:
    async with sim.worker(workflows=[Order], activities=[charge, refund]):
        handle = await sim.client.start_workflow(
            Order.run, remember_first, id="order-1", task_queue=sim.task_queue
        )
        sim.at(timedelta(seconds=45), handle.cancel)
        assert await handle.result() == "cancelled"


@pytest.mark.crash_sweep
async def test_bug(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, remember_first=False)
    assert ledger.count("refund") == ledger.count("charge")


@pytest.mark.crash_sweep
async def test_twin(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, remember_first=True)
    assert ledger.count("refund") >= ledger.count("charge")
