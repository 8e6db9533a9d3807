"""Local activities, which the service sees only as a workflow task that takes long."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType

from timeskip import Simulation


@activity.defn
async def nap(seconds: float) -> None:
    await asyncio.sleep(seconds)


@workflow.defn
class Napper:
    @workflow.run
    async def run(self, seconds: float) -> None:
        await workflow.execute_local_activity(
            nap, seconds, start_to_close_timeout=timedelta(days=1000)
        )


@pytest.mark.parametrize("seconds", [5, 10, 3600, 31_536_000])
async def test_workflow_task_outlives_a_local_activity_that_sleeps(
    sim: Simulation, seconds: float
) -> None:
    async with sim.worker(workflows=[Napper], activities=[nap]):
        await sim.client.execute_workflow(
            Napper.run, seconds, id="napper", task_queue=sim.task_queue
        )
    assert sim.elapsed == timedelta(seconds=seconds)
    kinds = [event.event_type for event in sim.runs[0].history.events]
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT not in kinds
