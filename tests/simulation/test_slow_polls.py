"""Workers of this process are waited for, however slow their polls are, but only if they will poll.

The machine is never slow enough when it should be. So the time to wait is nothing for polls that are
not known to come, and for ever for those that are.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.worker import FixedSizeSlotSupplier, WorkerTuner

from timeskip import Simulation
from timeskip.lanes.time_keeper import Grace

pytestmark = pytest.mark.both_lanes

HOUR = timedelta(hours=1)


@activity.defn
async def work() -> None:
    await asyncio.sleep(HOUR.total_seconds())


@activity.defn
async def work_a_little() -> None:
    await asyncio.sleep(60)


@activity.defn
async def work_in_no_time() -> None:
    pass


@workflow.defn
class Works:
    @workflow.run
    async def run(self) -> None:
        for _ in range(3):
            await workflow.execute_activity(work_in_no_time, start_to_close_timeout=HOUR)
            await asyncio.sleep(1)


@workflow.defn
class WorksHard:
    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(
            *(workflow.execute_activity(work, start_to_close_timeout=2 * HOUR) for _ in range(3))
        )


@workflow.defn
class WorksHere:
    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(
            *(
                workflow.execute_local_activity(work_a_little, start_to_close_timeout=HOUR)
                for _ in "ab"
            )
        )


WORK: dict[str, Any] = {
    "workflows": [Works, WorksHard, WorksHere],
    "activities": [work, work_a_little, work_in_no_time],
}


@pytest.fixture(autouse=True)
def _patient(sim: Simulation) -> None:
    assert sim._server is not None
    sim._server.keeper.grace = Grace(polled_before=0.0, never_polled=0.0, expected=1e6)


def passed_over(sim: Simulation) -> int:
    assert sim._server is not None
    return sum(sim._server.keeper.passed_over.values())


async def test_worker_that_has_room_is_waited_for(sim: Simulation) -> None:
    async with sim.worker(**WORK):
        await asyncio.gather(
            *(
                sim.client.execute_workflow(
                    Works.run, id=f"works-{number}", task_queue=sim.task_queue
                )
                for number in range(30)
            )
        )
    assert passed_over(sim) == 0
    assert sim.elapsed == timedelta(seconds=3)


@pytest.mark.parametrize(
    "limit",
    [
        {"max_concurrent_activities": 1},
        {
            "tuner": WorkerTuner.create_composite(
                workflow_supplier=FixedSizeSlotSupplier(10),
                activity_supplier=FixedSizeSlotSupplier(1),
                local_activity_supplier=FixedSizeSlotSupplier(10),
                nexus_supplier=FixedSizeSlotSupplier(10),
            )
        },
    ],
    ids=["option", "tuner"],
)
async def test_worker_that_is_full_is_not(sim: Simulation, limit: dict[str, Any]) -> None:
    async with sim.worker(**WORK, **limit, disable_eager_activity_execution=True):
        await sim.client.execute_workflow(WorksHard.run, id="full", task_queue=sim.task_queue)
    assert sim.elapsed == 3 * HOUR


async def test_workers_that_do_local_activities_are_not(sim: Simulation) -> None:
    async with sim.worker(**WORK, max_concurrent_workflow_tasks=2):
        await asyncio.gather(
            *(
                sim.client.execute_workflow(
                    WorksHere.run, id=f"here-{number}", task_queue=sim.task_queue
                )
                for number in range(4)
            )
        )
    assert sim.elapsed >= timedelta(minutes=1)


async def test_worker_without_activities_is_not(sim: Simulation) -> None:
    async with sim.worker(workflows=[WorksHard]):
        await sim.client.start_workflow(WorksHard.run, id="alone", task_queue=sim.task_queue)
        await sim.sleep(HOUR)
    assert passed_over(sim) == 3


async def test_worker_that_has_stopped_is_not(sim: Simulation) -> None:
    async with sim.worker(**WORK):
        handle = await sim.client.start_workflow(Works.run, id="left", task_queue=sim.task_queue)
        await sim.sleep(0.5)
    await sim.sleep(HOUR)
    assert sim.elapsed >= HOUR
    async with sim.worker(**WORK):
        await handle.result()
