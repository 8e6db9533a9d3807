"""A lock that nobody releases.

It belongs to the attempt that took it. If its worker dies the next attempt finds it taken, by itself. In
the twin it belongs to the workflow, which may take it again.
"""

import uuid
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

from timeskip import Ledger, Simulation

MINUTE = timedelta(minutes=1)


@activity.defn
async def lock(owner: str | None) -> None:
    owner = owner or str(uuid.uuid4())
    ledger = Ledger.of_test()
    ledger.record("lock", key=owner)
    if ledger.count("lock").entries[0].key != owner:
        raise ApplicationError("somebody else has the lock", non_retryable=True)


@workflow.defn(sandboxed=False)
class Stocktaking:
    @workflow.run
    async def run(self, locks_itself: bool) -> str:
        owner = workflow.info().workflow_id if locks_itself else None
        await workflow.execute_activity(lock, owner, start_to_close_timeout=MINUTE)
        return "counted"


async def play(sim: Simulation, locks_itself: bool) -> str:
    async with sim.worker(workflows=[Stocktaking], activities=[lock]):
        return await sim.client.execute_workflow(
            Stocktaking.run, locks_itself, id="stock-1", task_queue=sim.task_queue
        )


@pytest.mark.crash_sweep
async def test_bug(sim: Simulation, ledger: Ledger) -> None:
    assert await play(sim, locks_itself=False) == "counted"


@pytest.mark.crash_sweep
async def test_twin(sim: Simulation, ledger: Ledger) -> None:
    assert await play(sim, locks_itself=True) == "counted"
