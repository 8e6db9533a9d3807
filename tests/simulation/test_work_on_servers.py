"""Environments that take the place of servers, where time goes on while activities really work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

import timeskip
from tests.simulation.workflows import Sleeper
from timeskip.lanes.selection import LaneName

pytestmark = pytest.mark.asyncio

#: A look at what works is a tenth of this, and so much time passes between two of them.
STALL = timedelta(seconds=0.6)


@pytest_asyncio.fixture(params=["direct", "wire"])
async def environment(request: pytest.FixtureRequest) -> AsyncIterator[WorkflowEnvironment]:
    lane: LaneName = request.param
    with timeskip.environments_replaced(lane=lane, stall_timeout=STALL):
        async with await WorkflowEnvironment.start_local() as environment:
            yield environment


class Gate:
    """Activities that wait in a thread until they are let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    @activity.defn
    async def wait_in_a_thread(self) -> None:
        self.entered.set()
        await asyncio.get_running_loop().run_in_executor(None, self.opened.wait)

    @activity.defn
    async def get_lost(self) -> str:
        """The second attempt lets go a thread of the first, for which nobody waits."""
        if activity.info().attempt == 2:
            self.opened.set()
            return "found"
        asyncio.get_running_loop().run_in_executor(None, self.opened.wait)
        await asyncio.Future()
        return "never"


@workflow.defn
class Guarded:
    @workflow.run
    async def run(self, name: str, heartbeat_seconds: float | None) -> str | None:
        result: str | None = await workflow.execute_activity(
            name,
            result_type=str,
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=timedelta(seconds=heartbeat_seconds) if heartbeat_seconds else None,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1)),
        )
        return result


async def test_timer_fires_while_an_activity_waits_for_the_test(
    environment: WorkflowEnvironment,
) -> None:
    gate, client = Gate(), environment.client
    async with Worker(
        client, task_queue="any", workflows=[Guarded, Sleeper], activities=[gate.wait_in_a_thread]
    ):
        held = await client.start_workflow(
            Guarded.run, args=["wait_in_a_thread", None], id="held", task_queue="any"
        )
        await asyncio.to_thread(gate.entered.wait)
        began = await environment.get_current_time()
        await client.execute_workflow(Sleeper.run, 0.15, id="sleeper", task_queue="any")
        assert await environment.get_current_time() - began >= timedelta(seconds=0.15)
        gate.opened.set()
        await held.result()


async def test_activity_that_blocks_times_out(environment: WorkflowEnvironment) -> None:
    gate = Gate()
    async with Worker(
        environment.client, task_queue="any", workflows=[Guarded], activities=[gate.get_lost]
    ):
        result = await environment.client.execute_workflow(
            Guarded.run, args=["get_lost", 0.15], id="lost", task_queue="any"
        )
    assert result == "found"


async def test_activity_that_only_works_holds_up_the_test_no_longer_than_ever(
    environment: WorkflowEnvironment,
) -> None:
    gate = Gate()
    async with Worker(
        environment.client,
        task_queue="any",
        workflows=[Guarded],
        activities=[gate.wait_in_a_thread],
    ):
        handle = await environment.client.start_workflow(
            Guarded.run, args=["wait_in_a_thread", None], id="held", task_queue="any"
        )
        with pytest.raises(timeskip.SimulationStalled, match="wait_in_a_thread") as stalled:
            await handle.result()
        gate.opened.set()
    assert "another thread or process runs" in str(stalled.value)
