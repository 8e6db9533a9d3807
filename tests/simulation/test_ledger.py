"""The ledger: what was done counts, whoever has done it, and each key once."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity, workflow

from timeskip import Ledger, LedgerMissing, Simulation

_MINUTE = timedelta(minutes=1)


@activity.defn
async def charge(order: str) -> None:
    await asyncio.sleep(1)
    Ledger.of_test().record("charge", key=activity.info().activity_id, order=order)


@activity.defn
def import_items() -> None:
    """In a thread, which a dead worker cannot end."""
    activity.heartbeat("half")
    time.sleep(1)
    Ledger.of_test().record("import")


@workflow.defn(sandboxed=False)
class Order:
    """Runs one activity."""

    @workflow.run
    async def run(self, name: str, order: str | None = None) -> None:
        await workflow.execute_activity(
            name,
            args=[] if order is None else [order],
            start_to_close_timeout=_MINUTE,
            heartbeat_timeout=timedelta(seconds=30),
        )


async def run(sim: Simulation, *arguments: str) -> None:
    async with sim.worker(workflows=[Order], activities=[charge, import_items]):
        await sim.client.execute_workflow(
            Order.run, args=list(arguments), id="order-1", task_queue=sim.task_queue
        )


def test_what_was_done_under_one_key_counts_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.count("charge") == 0
    assert ledger.record("charge", key="a", cents=100)
    assert not ledger.record("charge", key="a", cents=100)
    assert ledger.record("charge", key="b", cents=200)
    assert ledger.record("refund", key="a")
    assert ledger.record("charge", cents=100)
    assert ledger.record("charge", cents=100)
    assert ledger.count("charge") == 4
    assert ledger.calls("charge") == 5
    assert ledger.count("charge", cents=100) == 3
    assert [entry.key for entry in ledger.entries] == ["a", "a", "b", "a", None, None]


def test_processes_share_a_ledger(ledger: Ledger) -> None:
    code = "import timeskip; print(timeskip.Ledger.of_test().record('charge', key=1))"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not ledger.record("charge", key=1)
    assert ledger.count("charge") == 1
    assert len({entry.process for entry in ledger.calls("charge").entries}) == 2
    copied: Ledger = pickle.loads(pickle.dumps(ledger))
    assert copied.calls("charge") == 2


@pytest.mark.asyncio
@pytest.mark.both_lanes
@pytest.mark.faults("kill-worker at activity:charge#1:before-report")
async def test_entries_tell_which_attempt_did_it_and_when(sim: Simulation, ledger: Ledger) -> None:
    await run(sim, "charge", "o-1")
    first, second = ledger.calls("charge").entries
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.time - sim.now == timedelta(seconds=1) - sim.elapsed
    # After the heartbeat timeout, and the retry policy's first interval.
    assert second.time - first.time == timedelta(seconds=31)
    assert first.call == second.call
    assert (first.activity, first.workflow_id, first.workflow_type) == (
        "charge",
        "order-1",
        "Order",
    )
    assert first.details == {"order": "o-1"}
    assert ledger.count("charge") == 1


@pytest.mark.asyncio
@pytest.mark.both_lanes
@pytest.mark.faults("kill-worker at heartbeat:import_items#1:1:after-report")
async def test_thread_of_a_dead_worker_does_nothing_more(sim: Simulation, ledger: Ledger) -> None:
    await run(sim, "import_items")
    assert [entry.attempt for entry in ledger.entries] == [2]


def test_workflow_code_has_no_ledger(sim: Simulation, ledger: Ledger) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow, "in_workflow", lambda: True)
        with pytest.raises(RuntimeError, match="runs again whenever it is replayed"):
            ledger.record("charge")


def test_without_the_fixture_there_is_no_ledger() -> None:
    with pytest.raises(LedgerMissing, match="has to have the fixture `ledger`"):
        Ledger.of_test()
