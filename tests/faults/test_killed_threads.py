"""A worker dies whose activities run in threads: nobody waits for those, and they do nothing more."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow

from tests.faults.orders import ledger
from timeskip import Simulation

_OPTIONS: dict[str, Any] = {"start_to_close_timeout": timedelta(minutes=1)}


@activity.defn
def pack(item: str) -> str:
    ledger.entries.append(f"begin {item}")
    time.sleep(10)
    ledger.entries.append(f"end {item}")
    return item


@workflow.defn
class Packs:
    """Packs two items side by side."""

    @workflow.run
    async def run(self) -> list[str]:
        packed = [workflow.start_activity(pack, item, **_OPTIONS) for item in ("a", "b")]
        return [await each for each in packed]


async def packs(sim: Simulation, threads: int) -> None:
    """In a pool of the test's own, which is left, and its threads waited for, before `sim` ends."""
    with ThreadPoolExecutor(threads) as pool:
        async with sim.worker(workflows=[Packs], activities=[pack], activity_executor=pool):
            packed = await sim.client.execute_workflow(
                Packs.run, id="packs", task_queue=sim.task_queue
            )
    assert packed == ["a", "b"]


@pytest.mark.asyncio
async def test_nobody_waits_for_a_thread_that_sleeps_for_good(sim: Simulation) -> None:
    sim.faults.kill_worker(at="time:5s")
    await packs(sim, threads=2)
    assert sorted(ledger.entries) == ["begin a", "begin a", "begin b", "begin b", "end a", "end b"]


@pytest.mark.asyncio
async def test_call_that_waited_for_a_thread_dies_with_its_worker(sim: Simulation) -> None:
    sim.faults.kill_worker(at="time:5s")
    await packs(sim, threads=1)
    begun = [entry for entry in ledger.entries if entry.startswith("begin")]
    assert len(begun) == 3
