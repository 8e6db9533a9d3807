"""A run whose worker was killed has a history equal to that of one whose worker was not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import activity, workflow

from timeskip import Simulation
from timeskip.histories import History, Ignored


@activity.defn
async def charge(amount: int) -> str:
    return f"charged {amount}"


@workflow.defn(sandboxed=False)
class Order:
    """A timer, and an activity."""

    @workflow.run
    async def run(self, amount: int) -> str:
        await workflow.sleep(timedelta(minutes=1))
        return await workflow.execute_activity(
            charge, amount, start_to_close_timeout=timedelta(seconds=10)
        )


async def ordered(sim: Simulation) -> History:
    """The history of an order."""
    async with sim.worker(
        workflows=[Order], activities=[charge], disable_eager_activity_execution=True
    ):
        handle = await sim.client.start_workflow(
            Order.run, 3, id="order", task_queue=sim.task_queue
        )
        assert await handle.result() == "charged 3"
    return await sim.history(handle)


async def both(sim: Simulation, kill_at: str) -> tuple[History, History]:
    """Of an order whose worker is killed there, and of one whose worker is not."""
    with Simulation() as calm:
        undisturbed = await ordered(calm)
    sim.faults.kill_worker(at=kill_at)
    return await ordered(sim), undisturbed


@pytest.mark.both_lanes
@pytest.mark.parametrize("task", [1, 2, 3])
async def test_killed_worker_leaves_no_difference(sim: Simulation, task: int) -> None:
    disturbed, undisturbed = await both(sim, f"workflow-task:order:{task}:before-report")
    assert disturbed == undisturbed
    kept = Ignored.FAULT_NOISE
    assert disturbed.keeping(kept) != undisturbed.keeping(kept)


@pytest.mark.both_lanes
async def test_worker_killed_with_its_cache_leaves_no_difference(sim: Simulation) -> None:
    disturbed, undisturbed = await both(sim, "workflow-task:order:1:after-report")
    assert disturbed == undisturbed


async def test_lost_attempt_of_an_activity_is_a_difference_of_events_only(sim: Simulation) -> None:
    disturbed, undisturbed = await both(sim, "activity:charge#1:before-report")
    assert disturbed != undisturbed
    assert disturbed.activities["charge"].attempts == 2
    assert disturbed.commands == undisturbed.commands
