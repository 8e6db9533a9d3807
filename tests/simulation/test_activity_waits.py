"""What else than sleeps a sync activity waits by, in threads and in other processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, TimeoutError  # noqa: A004 - the SDK's name
from temporalio.worker import SharedStateManager, Worker

from timeskip import Simulation
from timeskip.activity_time import machine_pace

HOUR = timedelta(hours=1)

pytestmark = [pytest.mark.asyncio, pytest.mark.both_lanes]


@activity.defn(no_thread_cancel_exception=True)
def wait_until_cancelled() -> int:
    """Looks once a minute; how often it has looked."""
    looks = 0
    while not activity.is_cancelled():
        activity.heartbeat(looks)
        looks += 1
        activity.wait_for_cancelled_sync(timeout=60)
    return looks


@activity.defn
def sleep_until_cancelled() -> int:
    """The same with sleeps of a minute."""
    looks = 0
    while not activity.is_cancelled():
        activity.heartbeat(looks)
        looks += 1
        time.sleep(60)
    return looks


@activity.defn(no_thread_cancel_exception=True)
def work_until_cancelled() -> bool:
    """Does what nobody can know to be a wait, and heartbeats."""
    at_work = threading.Event()
    while not activity.is_cancelled():
        activity.heartbeat()
        at_work.wait(0.001)
    return True


@activity.defn
def wait_for_shutdown() -> bool:
    """Waits for as long as two hours."""
    activity.wait_for_worker_shutdown_sync(timeout=7200)
    return activity.is_worker_shutdown()


@activity.defn
def sleep_an_hour() -> str:
    time.sleep(3600)
    return "rested"


@activity.defn
def wait_in_vain() -> bool:
    """Waits for a cancellation, of which it never hears."""
    activity.wait_for_cancelled_sync()
    return activity.is_cancelled()


ACTIVITIES: list[Callable[..., Any]] = [
    wait_until_cancelled,
    sleep_until_cancelled,
    work_until_cancelled,
    wait_for_shutdown,
    sleep_an_hour,
    wait_in_vain,
]


@workflow.defn(sandboxed=False)
class Cancels:
    """Calls an activity, so many at once, and cancels them after some minutes, if at all."""

    @workflow.run
    async def run(self, name: str, minutes: float = 0, count: int = 1) -> list[Any]:
        activities = [
            workflow.start_activity(
                name,
                start_to_close_timeout=timedelta(hours=3),
                heartbeat_timeout=timedelta(minutes=3) if minutes else None,
                retry_policy=RetryPolicy(maximum_attempts=1),
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
            for _ in range(count)
        ]
        if minutes:
            await asyncio.sleep(minutes * 60)
            for each in activities:
                each.cancel()
        return await asyncio.gather(*activities)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


async def call(sim: Simulation, executor: Executor, name: str, *args: Any, **options: Any) -> Any:
    """The results of a `Cancels` whose activities run in `executor`."""
    async with sim.worker(
        workflows=[Cancels],
        activities=ACTIVITIES,
        activity_executor=executor,
        max_concurrent_activities=2,
        **options,
    ):
        return await sim.client.execute_workflow(
            Cancels.run, args=[name, *args], id="cancels", task_queue=sim.task_queue
        )


async def test_thread_waits_for_its_cancellation_in_virtual_time(
    sim: Simulation, threads: ThreadPoolExecutor
) -> None:
    assert await call(sim, threads, "wait_until_cancelled", 2.5) == [4]
    assert sim.elapsed == timedelta(minutes=3)


async def test_thread_waits_in_vain_for_its_cancellation(
    sim: Simulation, threads: ThreadPoolExecutor
) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await call(sim, threads, "wait_in_vain")
    assert isinstance(failed.value.cause, ActivityError)
    assert isinstance(failed.value.cause.cause, TimeoutError)
    assert sim.elapsed >= timedelta(hours=3)


async def test_thread_waits_for_the_shutdown_in_virtual_time(
    sim: Simulation, threads: ThreadPoolExecutor
) -> None:
    assert await call(sim, threads, "wait_for_shutdown") == [False]
    assert sim.elapsed == timedelta(hours=2)


async def test_shutdown_ends_the_wait_for_it(sim: Simulation, threads: ThreadPoolExecutor) -> None:
    worker = Worker(
        sim.client,
        task_queue="threads",
        activities=ACTIVITIES,
        activity_executor=threads,
        max_concurrent_activities=2,
        graceful_shutdown_timeout=timedelta(minutes=5),
    )
    async with sim.worker(workflows=[Waits]):
        async with worker:
            handle = await sim.client.start_workflow(Waits.run, id="w", task_queue=sim.task_queue)
            await sim.sleep(HOUR)
        assert await handle.result()
    assert sim.elapsed == HOUR


@workflow.defn(sandboxed=False)
class Waits:
    """Calls the activity that waits for the shutdown of its worker, which is another one."""

    @workflow.run
    async def run(self) -> bool:
        return await workflow.execute_activity(
            wait_for_shutdown, task_queue="threads", start_to_close_timeout=timedelta(hours=3)
        )


async def test_real_work_that_heartbeats_is_cancelled(
    sim: Simulation, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time stands still while it works, until it has done so for a while."""
    monkeypatch.setattr(machine_pace, "_STANDSTILL", 1_000_000)
    assert await call(sim, threads, "work_until_cancelled", 0.001) == [True]


# -- in other processes -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool() -> Iterator[tuple[ProcessPoolExecutor, SharedStateManager]]:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(2, mp_context=context) as processes:
        yield processes, SharedStateManager.create_from_multiprocessing(manager)


async def call_elsewhere(
    sim: Simulation, pool: tuple[ProcessPoolExecutor, SharedStateManager], *args: Any
) -> Any:
    return await call(sim, pool[0], *args, shared_state_manager=pool[1])


@pytest.mark.slow
async def test_processes_sleep_in_virtual_time(
    sim: Simulation, pool: tuple[ProcessPoolExecutor, SharedStateManager]
) -> None:
    assert await call_elsewhere(sim, pool, "sleep_an_hour", 0, 5) == ["rested"] * 5
    assert sim.elapsed == 3 * HOUR


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "minutes"),
    [
        pytest.param("wait_until_cancelled", 3, id="wait"),
        # It hears of it after three minutes, and sleeps on.
        pytest.param("sleep_until_cancelled", 4, id="sleep"),
    ],
)
async def test_processes_are_cancelled_in_virtual_time(
    sim: Simulation,
    pool: tuple[ProcessPoolExecutor, SharedStateManager],
    name: str,
    minutes: int,
) -> None:
    assert await call_elsewhere(sim, pool, name, 2.5) == [4]
    assert sim.elapsed == timedelta(minutes=minutes)


@pytest.mark.slow
async def test_process_waits_for_the_shutdown_in_virtual_time(
    sim: Simulation, pool: tuple[ProcessPoolExecutor, SharedStateManager]
) -> None:
    assert await call_elsewhere(sim, pool, "wait_for_shutdown") == [False]
    assert sim.elapsed == timedelta(hours=2)


@pytest.mark.slow
async def test_process_of_a_killed_worker_is_free_again(
    sim: Simulation, pool: tuple[ProcessPoolExecutor, SharedStateManager]
) -> None:
    sim.faults.kill_worker(at="heartbeat:sleep_until_cancelled#1:2:before-report")
    with pytest.raises(WorkflowFailureError) as failed:
        await call_elsewhere(sim, pool, "sleep_until_cancelled", 2.5)
    assert isinstance(failed.value.cause, ActivityError)
    assert isinstance(failed.value.cause.cause, TimeoutError)
    processes, _ = pool
    assert processes.submit(abs, -1).result() == 1
