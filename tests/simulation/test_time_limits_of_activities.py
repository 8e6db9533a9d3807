"""Timeouts of activities as their workers keep them: by virtual time alone, in both lanes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

from timeskip import Simulation

pytestmark = pytest.mark.asyncio

_FACTORY = f"{__name__}:build"

#: Real seconds that the SDK's core gives an activity beyond its timeouts.
_BUFFER = 5.0

SECOND = timedelta(seconds=1)


@activity.defn
def work(seconds: float) -> list[float]:
    """Works, and does not sleep, for real seconds; the timeouts that it is told of, in seconds."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(10_000))
    info = activity.info()
    timeouts = [info.start_to_close_timeout, info.heartbeat_timeout, info.schedule_to_close_timeout]
    return [timeout.total_seconds() for timeout in timeouts if timeout is not None]


@activity.defn
async def wait_in_vain(heartbeats: int) -> str:
    """The first attempt heartbeats every two seconds, so often, and then waits for ever."""
    if activity.info().attempt > 1:
        return "another attempt"
    for _ in range(heartbeats):
        activity.heartbeat()
        await asyncio.sleep(2)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        details = activity.cancellation_details()
        assert details is not None
        assert details.timed_out
        raise
    raise AssertionError("nothing ever sets the event")


@workflow.defn(sandboxed=False)
class Works:
    @workflow.run
    async def run(self, seconds: float) -> list[float]:
        return await workflow.execute_activity(
            work,
            seconds,
            start_to_close_timeout=SECOND,
            heartbeat_timeout=SECOND / 2,
            schedule_to_close_timeout=SECOND * 3,
        )


@workflow.defn(sandboxed=False)
class WaitsInVain:
    @workflow.run
    async def run(self, heartbeats: int) -> str:
        return await workflow.execute_activity(
            wait_in_vain,
            heartbeats,
            start_to_close_timeout=timedelta(minutes=10 if heartbeats else 1),
            heartbeat_timeout=timedelta(seconds=10) if heartbeats else None,
        )


def build(client: Client, task_queue: str) -> Worker:
    """For a process of its own."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[Works, WaitsInVain],
        activities=[work, wait_in_vain],
        activity_executor=ThreadPoolExecutor(1),
        max_concurrent_activities=1,
    )


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.mark.both_lanes
async def test_activities_see_their_own_timeouts(sim: Simulation, pool: ThreadPoolExecutor) -> None:
    async with sim.worker(workflows=[Works], activities=[work], activity_executor=pool):
        told = await sim.client.execute_workflow(
            Works.run, 0.0, id="works", task_queue=sim.task_queue
        )
    assert told == [1, 0.5, 3]


@pytest.mark.both_lanes
@pytest.mark.slow
async def test_real_work_that_takes_longer_than_its_timeouts(
    sim: Simulation, pool: ThreadPoolExecutor
) -> None:
    async with sim.worker(workflows=[Works], activities=[work], activity_executor=pool):
        await sim.client.execute_workflow(
            Works.run, _BUFFER + 2, id="works", task_queue=sim.task_queue
        )
    assert sim.elapsed == timedelta()


@pytest.mark.both_lanes
@pytest.mark.parametrize(
    ("heartbeats", "seconds"), [(0, 60 + 5), (3, 4 + 10 + 5)], ids=["no heartbeats", "heartbeats"]
)
async def test_an_attempt_that_the_server_has_given_up_is_told_so(
    sim: Simulation, heartbeats: int, seconds: int
) -> None:
    async with sim.worker(
        workflows=[WaitsInVain], activities=[wait_in_vain], max_concurrent_activities=1
    ):
        told = await sim.client.execute_workflow(
            WaitsInVain.run, heartbeats, id="waits", task_queue=sim.task_queue
        )
    # Only then there is room for the other attempt.
    assert (told, sim.elapsed) == ("another attempt", timedelta(seconds=seconds))


@pytest.mark.both_lanes
async def test_the_slot_of_an_activity_whose_workflow_was_terminated(sim: Simulation) -> None:
    async with sim.worker(
        workflows=[WaitsInVain], activities=[wait_in_vain], max_concurrent_activities=1
    ):
        first = await sim.client.start_workflow(
            WaitsInVain.run, 0, id="first", task_queue=sim.task_queue
        )
        await sim.sleep(SECOND)
        await first.terminate()
        second = await sim.client.start_workflow(
            WaitsInVain.run, 0, id="second", task_queue=sim.task_queue
        )
        assert await second.result() == "another attempt"
    assert sim.elapsed == timedelta(seconds=2 * (60 + 5))


@pytest.mark.timeskip(lane="wire")
async def test_time_limits_in_a_process_of_its_own(sim: Simulation) -> None:
    async with sim.worker_process(_FACTORY):
        told = await sim.client.execute_workflow(
            Works.run, 0.0, id="works", task_queue=sim.task_queue
        )
        assert told == [1, 0.5, 3]
        waited = await sim.client.execute_workflow(
            WaitsInVain.run, 3, id="waits", task_queue=sim.task_queue
        )
        assert (waited, sim.elapsed) == ("another attempt", timedelta(seconds=4 + 10 + 5))


@pytest.mark.slow
@pytest.mark.timeskip(lane="wire")
async def test_real_work_in_a_process_of_its_own(sim: Simulation) -> None:
    async with sim.worker_process(_FACTORY):
        await sim.client.execute_workflow(
            Works.run, _BUFFER + 2, id="works", task_queue=sim.task_queue
        )
    assert sim.elapsed == timedelta()
