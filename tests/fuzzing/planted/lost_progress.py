"""Progress that is not taken up again.

The import tells how far it has got, and after a crash begins at the first page all the same. The twin
reads what the attempt before has told.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow

from timeskip import Ledger, Simulation

MINUTE = timedelta(minutes=1)


@activity.defn
async def import_from_the_start(pages: int) -> None:
    for page in range(pages):
        Ledger.of_test().record("page", number=page)
        activity.heartbeat(page + 1)
        await asyncio.sleep(1)


@activity.defn
async def import_the_rest(pages: int) -> None:
    told = activity.info().heartbeat_details
    for page in range(told[0] if told else 0, pages):
        Ledger.of_test().record("page", number=page)
        activity.heartbeat(page + 1)
        await asyncio.sleep(1)


@workflow.defn(sandboxed=False)
class Import:
    @workflow.run
    async def run(self, name: str) -> str:
        await workflow.execute_activity(
            name, 4, start_to_close_timeout=MINUTE, heartbeat_timeout=timedelta(seconds=10)
        )
        return "imported"


async def play(sim: Simulation, name: str) -> None:
    async with sim.worker(workflows=[Import], activities=[import_from_the_start, import_the_rest]):
        await sim.client.execute_workflow(
            Import.run, name, id="import-1", task_queue=sim.task_queue
        )


@pytest.mark.crash_sweep
async def test_bug(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, "import_from_the_start")
    assert ledger.calls("page") <= 5, "more than one page was read twice"


@pytest.mark.crash_sweep
async def test_twin(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, "import_the_rest")
    assert ledger.calls("page") <= 5, "more than one page was read twice"
