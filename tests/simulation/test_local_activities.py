"""Local activities, which the service sees only as a workflow task that takes long."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from timeskip import Simulation, WorkflowTaskFailed

pytestmark = pytest.mark.both_lanes


@activity.defn
async def nap(seconds: float) -> None:
    await asyncio.sleep(seconds)


@activity.defn(name="nap")
async def nap_once(seconds: float) -> None:
    if not naps:
        naps.append(seconds)
        await asyncio.sleep(seconds)


naps: list[float] = []


@workflow.defn
class Napper:
    @workflow.run
    async def run(self, seconds: float) -> None:
        await workflow.execute_local_activity(
            nap, seconds, start_to_close_timeout=timedelta(days=1000)
        )


async def test_query_waits_for_a_local_activity(sim: Simulation) -> None:
    """As on the real server. On the wire the core heartbeats by the machine's time meanwhile."""
    if sim.lane == "wire":
        pytest.skip("the activity takes its time while the core heartbeats")
    async with sim.worker(workflows=[Asked], activities=[nap]):
        handle = await sim.client.start_workflow(Asked.run, id="asked", task_queue=sim.task_queue)
        assert await handle.query(Asked.status) == "awake"
        assert sim.elapsed == timedelta(minutes=10)


async def test_query_of_a_terminated_run_waits_for_its_local_activity(sim: Simulation) -> None:
    if sim.lane == "wire":
        pytest.skip("the activity takes its time while the core heartbeats")
    async with sim.worker(workflows=[AskedWhileBusy], activities=[stumble]):
        handle = await sim.client.start_workflow(
            AskedWhileBusy.run, id="asked", task_queue=sim.task_queue
        )
        await sim.sleep(3)
        sim.at(timedelta(seconds=2), handle.terminate)
        assert await handle.query(AskedWhileBusy.status) == "asleep"
        assert sim.elapsed == timedelta(seconds=8)


@activity.defn
async def stumble() -> None:
    if activity.info().attempt == 1:
        raise ApplicationError("not yet")


@workflow.defn
class AskedWhileBusy:
    """Is busy in its second workflow task, so that it can be queried once it is closed."""

    def __init__(self) -> None:
        self._status = "asleep"

    @workflow.run
    async def run(self) -> None:
        await asyncio.sleep(2)
        await workflow.execute_local_activity(
            stumble,
            start_to_close_timeout=timedelta(days=1),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=6)),
        )
        self._status = "awake"

    @workflow.query
    def status(self) -> str:
        return self._status


async def test_query_waits_for_a_task_that_a_full_cache_has_dropped(sim: Simulation) -> None:
    """The core forgets the run with its task, which times out, and the next one begins anew."""
    if sim.lane == "wire":
        pytest.skip("the service does not know what the core forgets")
    workflows = [Asked, Bystander]
    async with sim.worker(workflows=workflows, activities=[nap], max_cached_workflows=1):
        handle = await sim.client.start_workflow(Asked.run, id="asked", task_queue=sim.task_queue)
        await sim.client.execute_workflow(Bystander.run, id="other", task_queue=sim.task_queue)
        await handle.query(Asked.status)
        assert sim.elapsed == timedelta(seconds=10)


@workflow.defn
class Bystander:
    @workflow.run
    async def run(self) -> None: ...


@workflow.defn
class Asked:
    def __init__(self) -> None:
        self._status = "asleep"

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_local_activity(nap, 600, start_to_close_timeout=timedelta(days=1))
        self._status = "awake"

    @workflow.query
    def status(self) -> str:
        return self._status


@pytest.mark.parametrize("seconds", [5, 10, 1700])
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


async def test_local_activity_that_no_server_would_wait_for_is_told(sim: Simulation) -> None:
    async with sim.worker(workflows=[Napper], activities=[nap]):
        with pytest.raises(WorkflowTaskFailed) as told:
            await sim.client.execute_workflow(
                Napper.run,
                31_536_000,
                id="napper",
                task_queue=sim.task_queue,
                # The SDK's core tells the activity at its next heartbeat, in real time.
                task_timeout=timedelta(seconds=1),
            )
        assert timedelta(minutes=30) <= sim.elapsed < timedelta(minutes=31)
    assert told.value.cause == "WORKFLOW_TASK_HEARTBEAT_TIMEOUT"
    assert str(told.value).startswith(
        "workflow 'napper' (Napper) cannot go on: a local activity of it takes longer than\n"
        "30 minutes. "
    )


async def test_local_activity_may_be_shorter_at_the_next_try(sim: Simulation) -> None:
    naps.clear()
    async with sim.worker(workflows=[Napper], activities=[nap_once]):
        with sim.expect_workflow_task_failures():
            await sim.client.execute_workflow(
                Napper.run, 7200, id="napper", task_queue=sim.task_queue
            )
    kinds = [event.event_type for event in sim.runs[0].history.events]
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT in kinds


@activity.defn
async def beat() -> None:
    """Beats for nobody: the server does not know of it."""
    for second in range(3):
        await asyncio.sleep(1)
        activity.heartbeat(second)


@workflow.defn
class Beater:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_local_activity(beat, start_to_close_timeout=timedelta(minutes=1))


async def test_local_activity_that_heartbeats_is_not_waited_for(sim: Simulation) -> None:
    async with sim.worker(workflows=[Beater], activities=[beat]):
        await sim.client.execute_workflow(Beater.run, id="beater", task_queue=sim.task_queue)
    assert sim.elapsed == timedelta(seconds=3)
