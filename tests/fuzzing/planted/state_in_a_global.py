"""State in a global of the module.

A replay runs the signal's handler again, and the global has the amount twice. The twin has its state in
the workflow, which a replay begins anew.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import workflow

from timeskip import Simulation

MINUTE = timedelta(minutes=1)

_totals: dict[str, int] = {}


@workflow.defn(sandboxed=False)
class GlobalAccount:
    @workflow.run
    async def run(self) -> int:
        await workflow.sleep(60)
        return _totals[workflow.info().run_id]

    @workflow.signal
    def deposit(self, amount: int) -> None:
        run_id = workflow.info().run_id
        _totals[run_id] = _totals.get(run_id, 0) + amount


@workflow.defn(sandboxed=False)
class Account:
    def __init__(self) -> None:
        self._total = 0

    @workflow.run
    async def run(self) -> int:
        await workflow.sleep(60)
        return self._total

    @workflow.signal
    def deposit(self, amount: int) -> None:
        self._total += amount


@pytest.fixture(autouse=True)
def nothing_is_deposited() -> None:
    _totals.clear()


async def play(sim: Simulation, account: type[GlobalAccount] | type[Account]) -> int:
    async with sim.worker(workflows=[account]):
        handle = await sim.client.start_workflow(
            account.run, id="account-1", task_queue=sim.task_queue
        )
        await handle.signal("deposit", 100)
        return await handle.result()


@pytest.mark.crash_sweep
async def test_bug(sim: Simulation) -> None:
    assert await play(sim, GlobalAccount) == 100


@pytest.mark.crash_sweep
async def test_twin(sim: Simulation) -> None:
    assert await play(sim, Account) == 100
