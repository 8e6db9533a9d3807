"""A timer that starts again after a crash.

It is an activity that sleeps: another attempt sleeps as long again. A timer of the workflow's is with the
service, and goes on.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow

from timeskip import Simulation

MINUTE = timedelta(minutes=1)


@activity.defn
async def wait_an_hour() -> None:
    await asyncio.sleep(3600)


@workflow.defn(sandboxed=False)
class Reminder:
    @workflow.run
    async def run(self, in_activity: bool) -> str:
        if in_activity:
            await workflow.execute_activity(
                wait_an_hour, start_to_close_timeout=timedelta(minutes=61)
            )
        else:
            await workflow.sleep(3600)
        return "reminded"


async def play(sim: Simulation, in_activity: bool) -> timedelta:
    async with sim.worker(workflows=[Reminder], activities=[wait_an_hour]):
        await sim.client.execute_workflow(
            Reminder.run, in_activity, id="reminder-1", task_queue=sim.task_queue
        )
    return sim.elapsed


@pytest.mark.crash_sweep
async def test_bug(sim: Simulation) -> None:
    assert await play(sim, in_activity=True) < timedelta(hours=1, minutes=5)


@pytest.mark.crash_sweep
async def test_twin(sim: Simulation) -> None:
    assert await play(sim, in_activity=False) < timedelta(hours=1, minutes=5)
