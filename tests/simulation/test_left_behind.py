"""Workflows that a test of a suite has left behind, in an environment that the suite's tests share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio import activity, workflow

from timeskip import Simulation, TooManyAttempts
from timeskip.lanes.selection import LaneName

pytestmark = [pytest.mark.asyncio, pytest.mark.both_lanes]


@activity.defn
async def fail() -> None:
    raise ValueError("never")


@workflow.defn(sandboxed=False)
class Hopeless:
    """Tries again for ever, and so do those that wait for it."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(fail, start_to_close_timeout=timedelta(minutes=1))


@workflow.defn(sandboxed=False)
class Sleeper:
    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(timedelta(days=30).total_seconds())
        return "awake"


@workflow.defn(sandboxed=False)
class Parent:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_child_workflow(Hopeless.run, id="child")


@pytest_asyncio.fixture
async def suite(sim: Simulation) -> AsyncIterator[Simulation]:
    lane: LaneName = "wire" if sim.lane == "wire" else "direct"
    simulation = Simulation(lane=lane, retries_workflow_tasks=True, max_activity_attempts=5)
    async with simulation:
        yield simulation


async def test_one_fails_for_ever_while_another_is_waited_for(suite: Simulation) -> None:
    async with suite.worker(workflows=[Hopeless, Sleeper], activities=[fail]):
        left = await suite.client.start_workflow(Hopeless.run, id="a", task_queue=suite.task_queue)
        result = await suite.client.execute_workflow(
            Sleeper.run, id="b", task_queue=suite.task_queue
        )
        assert result == "awake"
        with pytest.raises(TooManyAttempts, match="never"):
            await left.result()


async def test_one_that_fails_for_ever_is_why_another_cannot_go_on(suite: Simulation) -> None:
    async with suite.worker(workflows=[Hopeless, Parent], activities=[fail]):
        with pytest.raises(TooManyAttempts, match="never"):
            await suite.client.execute_workflow(Parent.run, id="c", task_queue=suite.task_queue)
