"""The same test gives the same histories, whatever the machine is doing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowHandle

from timeskip import RunRecord, Simulation
from timeskip.histories import EVERYTHING_IGNORED, Ignored, normal_form

#: Everything that a history tells, and at which instants, but for what a worker makes up and for
#: ids that number what happens in parallel at one instant.
_LEFT_OUT = EVERYTHING_IGNORED - {Ignored.TIMES}


@activity.defn
async def charge(order: str) -> int:
    await asyncio.sleep(5)
    return len(order)


@workflow.defn
class Order:
    """Charges after an hour or as soon as it is approved, whichever comes first, six times."""

    def __init__(self) -> None:
        self._approvals = 0

    @workflow.run
    async def run(self, order: str) -> list[str]:
        told = []
        for number in range(6):
            try:
                await workflow.wait_condition(
                    lambda number=number: self._approvals > number,  # type: ignore[misc]
                    timeout=timedelta(hours=1),
                )
                told.append("approved")
            except asyncio.TimeoutError:
                told.append("timed out")
            await workflow.execute_activity(
                charge, order, start_to_close_timeout=timedelta(minutes=1)
            )
        return told

    @workflow.signal
    async def approve(self) -> None:
        await asyncio.sleep(1)
        self._approvals += 1


async def ten_orders(seed: int) -> list[RunRecord]:
    """Ten orders at once; three get signals at chosen instants, the test waits for all."""
    async with (
        Simulation(lane="wire", seed=seed) as sim,
        sim.worker(workflows=[Order], activities=[charge]),
    ):
        handles: list[WorkflowHandle[Order, list[str]]] = [
            await sim.client.start_workflow(
                Order.run, f"order {number}", id=f"order-{number}", task_queue=sim.task_queue
            )
            for number in range(10)
        ]
        sim.at(timedelta(minutes=90), handles[3].signal, Order.approve)
        sim.at(timedelta(hours=3), handles[7].signal, Order.approve)
        sim.at(timedelta(hours=3), handles[3].signal, Order.approve)
        sim.at(timedelta(hours=5, seconds=15), handles[1].signal, Order.approve)
        await asyncio.gather(*(handle.result() for handle in handles))
        return sim.runs


def as_bytes(runs: list[RunRecord]) -> list[bytes]:
    return [
        normal_form(run.history, _LEFT_OUT).SerializeToString(deterministic=True) for run in runs
    ]


def test_same_test_gives_the_same_histories_every_time() -> None:
    first, *others = (as_bytes(asyncio.run(ten_orders(seed=5))) for _ in range(10))
    assert len(first) == 10
    for other in others:
        assert other == first


def test_other_seed_gives_other_ids() -> None:
    one, two = (asyncio.run(ten_orders(seed)) for seed in (5, 6))
    assert {run.run_id for run in one}.isdisjoint(run.run_id for run in two)
    assert [run.workflow_id for run in one] == [run.workflow_id for run in two]
    assert [run.status for run in one] == [run.status for run in two]


@pytest.mark.both_lanes
@pytest.mark.timeskip(seed=99)
async def test_seed_decides_run_ids(sim: Simulation) -> None:
    async with Simulation(lane=sim.lane, seed=99) as twin:
        ids = []
        for each in (sim, twin):
            handle = await each.client.start_workflow(
                Order.run, "order", id="order", task_queue=each.task_queue
            )
            ids.append(handle.result_run_id)
    assert ids[0] == ids[1]
