"""Each crash point of a workflow with some of everything, once: it ends as if nothing had happened."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner

from tests.faults import orders
from tests.faults.orders import ledger
from timeskip import Simulation
from timeskip.faults import crash_at, plan_text
from timeskip.lanes.selection import LaneName


async def ask(handle: WorkflowHandle[orders.Order, list[str]]) -> str:
    """Queries, once more if the worker that was asked has died with the question."""
    try:
        return await handle.query(orders.Order.approved_by)
    except RPCError:
        return await handle.query(orders.Order.approved_by)


async def play(lane: LaneName, plan: str) -> tuple[list[str], list[str]]:
    """What came of the order, and the faults that could be put in its way."""
    ledger.entries.clear()
    async with Simulation(lane=lane) as sim:
        points = sim.crash_points
        sim.faults.add_plan(plan)
        async with sim.worker(
            workflows=orders.WORKFLOWS,
            activities=orders.ACTIVITIES,
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            handle = await sim.client.start_workflow(
                orders.Order.run, "o-1", id="order-1", task_queue=sim.task_queue
            )
            sim.at(timedelta(hours=2), handle.signal, orders.Order.approve, "Ada")
            sim.at(timedelta(hours=1), handle.execute_update, orders.Order.note, "urgent")
            await sim.sleep(timedelta(minutes=100))
            assert await ask(handle) == ""
            result = await handle.result()
        sim.check()
        sim.faults.verify()
        return result, [plan_text([crash_at(point)]) for point in points]


@pytest.mark.asyncio
@pytest.mark.parametrize("lane", ["direct", pytest.param("wire", marks=pytest.mark.slow)])
async def test_order_survives_every_crash(lane: LaneName) -> None:
    baseline, faults = await play(lane, "")
    assert len(faults) > 50
    for fault in faults:
        result, _ = await play(lane, fault)
        assert result == baseline, fault


@pytest.mark.asyncio
async def test_names_are_the_same_in_both_lanes() -> None:
    _, direct = await play("direct", "")
    _, wire = await play("wire", "")
    assert set(direct) == set(wire)
