"""Faults as a test asks for them: scopes, counts, order, and faults that never happen."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import workflow

from timeskip import Simulation
from timeskip.errors import FaultImpossible, FaultNeverActed, FaultPlanError


@workflow.defn
class Naps:
    """Naps so often, a minute each time."""

    @workflow.run
    async def run(self, times: int) -> int:
        for _ in range(times):
            await asyncio.sleep(60)
        return times


async def nap(sim: Simulation, times: int = 3, name: str = "naps") -> int:
    async with sim.worker(workflows=[Naps]):
        return await sim.client.execute_workflow(
            Naps.run, times, id=name, task_queue=sim.task_queue
        )


@pytest.mark.asyncio
async def test_fault_ends_with_its_block(sim: Simulation) -> None:
    with sim.faults.kill_worker(at="workflow-task:*:before-report", times=None) as fault:
        await sim.client.start_workflow(Naps.run, 1, id="in", task_queue=sim.task_queue)
        async with sim.worker(workflows=[Naps]):
            await sim.sleep(timedelta(seconds=25))
    assert fault.count == 3
    await nap(sim)
    assert fault.count == 3


@pytest.mark.asyncio
async def test_first_match_wins(sim: Simulation) -> None:
    first = sim.faults.evict_workflow(at="sticky-cache:naps")
    second = sim.faults.evict_workflow(at="sticky-cache")
    await nap(sim)
    assert [str(point) for point in first.acted_at] == ["sticky-cache:naps:2"]
    assert [str(point) for point in second.acted_at] == ["sticky-cache:naps:3"]


@pytest.mark.asyncio
async def test_fault_lets_some_pass(sim: Simulation) -> None:
    fault = sim.faults.kill_worker(at="workflow-task:naps:*:before-report", skip=2)
    await nap(sim)
    assert [str(point) for point in fault.acted_at] == ["workflow-task:naps:3:before-report"]


@pytest.mark.asyncio
async def test_predicate_says_where(sim: Simulation) -> None:
    fault = sim.faults.kill_worker(
        at=lambda point: point.kind == "workflow-task" and point.event_id > 5
    )
    await nap(sim)
    assert fault.count == 1
    assert fault.acted_at[0].event_id > 5


@pytest.mark.asyncio
async def test_task_that_was_handed_out_again_is_told_from_the_first(sim: Simulation) -> None:
    sim.faults.kill_worker(at="workflow-task:naps:2:before-report")
    sim.faults.kill_worker(at="workflow-task:naps:2#2:before-report")
    await nap(sim)
    sim.faults.verify()


@pytest.mark.asyncio
async def test_fault_that_never_happens_is_told_with_the_nearest_places(sim: Simulation) -> None:
    sim.faults.kill_worker(at="workflow-task:nap:2:before-report")
    await nap(sim)
    with pytest.raises(FaultNeverActed) as raised:
        sim.faults.verify()
    told = str(raised.value)
    assert "kill-worker at workflow-task:nap:2:before-report" in told
    assert "workflow-task:naps:2:before-report" in told


@pytest.mark.asyncio
async def test_block_ends_with_a_complaint_if_its_fault_did_not_happen(sim: Simulation) -> None:
    with (
        pytest.raises(FaultNeverActed, match="skip=9"),
        sim.faults.kill_worker(at="workflow-task:naps:*:before-report", skip=9),
    ):
        await nap(sim)


@pytest.mark.asyncio
async def test_optional_fault_need_not_happen(sim: Simulation) -> None:
    sim.faults.kill_worker(at="activity:nothing", optional=True)
    await nap(sim)
    sim.faults.verify()


def test_place_that_cannot_be_is_refused_at_once(sim: Simulation) -> None:
    with pytest.raises(FaultPlanError, match="activty"):
        sim.faults.kill_worker(at="activty:charge")


@pytest.mark.asyncio
async def test_fault_that_cannot_be_done_ends_the_test(sim: Simulation) -> None:
    sim.faults.kill_worker(at="rpc:StartWorkflowExecution")
    with pytest.raises(FaultImpossible, match="no worker is at rpc:StartWorkflowExecution#1"):
        await nap(sim)


@pytest.mark.asyncio
async def test_plan_of_one_line_is_the_same_again(sim: Simulation) -> None:
    sim.faults.kill_worker(at="workflow-task:naps:1:before-report")
    sim.faults.add_plan("evict-workflow at sticky-cache:naps:3")
    assert sim.faults.plan == (
        "kill-worker at workflow-task:naps:1:before-report; evict-workflow at sticky-cache:naps:3"
    )
    await nap(sim)
    sim.faults.verify()


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_hundred_kills(sim: Simulation) -> None:
    fault = sim.faults.kill_worker(at="workflow-task:naps:*:before-report", times=100)
    assert await nap(sim, times=50) == 50
    assert fault.count == 100
