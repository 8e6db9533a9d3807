"""Heartbeats that a thread of an `async` activity sends, on an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest
from temporalio import activity, workflow

from timeskip import Simulation

pytestmark = [pytest.mark.asyncio, pytest.mark.both_lanes]


@activity.defn
async def fail_after_a_heartbeat() -> str:
    """Fails once; returns the last heartbeat of the attempt before."""
    if activity.info().attempt > 1:
        return str(activity.info().heartbeat_details[0])
    context = activity._Context.current()

    async def heartbeat() -> None:
        assert context.heartbeat is not None
        context.heartbeat("half of it")

    thread = threading.Thread(target=lambda: asyncio.run(heartbeat()))
    thread.start()
    thread.join()
    raise RuntimeError("half of it is done")


@workflow.defn(sandboxed=False)
class Work:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            fail_after_a_heartbeat, start_to_close_timeout=timedelta(minutes=1)
        )


async def test_heartbeat_of_a_thread_comes_before_the_end_of_its_activity(sim: Simulation) -> None:
    async with sim.worker(workflows=[Work], activities=[fail_after_a_heartbeat]):
        result = await sim.client.execute_workflow(Work.run, id="work", task_queue=sim.task_queue)
    assert result == "half of it"
