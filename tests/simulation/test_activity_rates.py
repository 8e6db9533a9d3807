"""Workers that want only so many activities a second get them at that pace, in virtual time."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow

from timeskip import Simulation, SimulationStuck
from timeskip.lanes.selection import LaneName

pytestmark = pytest.mark.both_lanes

QUEUE_RATE = "max_task_queue_activities_per_second"
WORKER_RATE = "max_activities_per_second"


@activity.defn
async def pack(box: int) -> int:
    return box


@workflow.defn
class Packing:
    """Packs many boxes at once."""

    @workflow.run
    async def run(self, boxes: int) -> list[float]:
        """How many seconds after the start each box was packed."""

        async def packed(box: int) -> float:
            await workflow.execute_activity(pack, box, start_to_close_timeout=timedelta(seconds=10))
            return (workflow.now() - began).total_seconds()

        began = workflow.now()
        return sorted(await asyncio.gather(*map(packed, range(boxes))))


async def packed(sim: Simulation, boxes: int, **options: Any) -> list[float]:
    async with sim.worker(workflows=[Packing], activities=[pack], **options):
        result = await sim.client.execute_workflow(
            Packing.run, boxes, id="packing", task_queue=sim.task_queue
        )
    return [round(moment, 3) for moment in result]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (2, [0, 0, 0, 0.5, 1, 1.5]),
        (0.5, [0, 1, 3, 5, 7, 9]),
        (0.001, [0, 999, 1999, 2999, 3999, 4999]),
    ],
)
async def test_task_queue_keeps_to_its_rate(
    lane: LaneName, rate: float, expected: list[float]
) -> None:
    async with Simulation(lane=lane) as sim:
        moments = await packed(sim, 6, **{QUEUE_RATE: rate})
        assert moments == expected


@pytest.mark.asyncio
async def test_worker_keeps_to_its_own_rate() -> None:
    # In the other lane the SDK's core paces its polls by the machine's clock.
    async with Simulation(lane="direct") as sim:
        moments = await packed(sim, 6, **{WORKER_RATE: 2}, disable_eager_activity_execution=True)
    assert moments == [0, 0.5, 1, 1.5, 2, 2.5]


@pytest.mark.asyncio
async def test_tasks_that_nobody_wants_are_told(lane: LaneName) -> None:
    async with Simulation(lane=lane) as sim:
        with pytest.raises(SimulationStuck) as told:
            await packed(sim, 1, **{QUEUE_RATE: 0}, disable_eager_activity_execution=True)
    assert (
        "its activity 'pack' waits on task queue 'timeskip', of which workers want at most 0 "
        "tasks a second"
    ) in str(told.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf])
async def test_worker_refuses_a_rate_that_is_none(lane: LaneName, rate: float) -> None:
    async with Simulation(lane=lane) as sim:
        with pytest.raises(ValueError, match="`max_worker_activities_per_second` must be positive"):
            await packed(sim, 1, **{WORKER_RATE: rate})
