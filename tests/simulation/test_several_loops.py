"""A simulation that is used from several threads and event loops, at once and one after the other."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

from tests.simulation.workflows import Greeter, Inbox, Sleeper, greet
from timeskip import Simulation, SimulationStalled, SimulationStuck

pytestmark = pytest.mark.both_lanes

DAY = timedelta(days=1)

Result = TypeVar("Result")


@activity.defn
async def start_another(name: str) -> str:
    """Uses the client in an activity."""
    (client,) = clients
    result: str = await client.execute_workflow(
        Greeter.run, name, id=f"greeter-{name}", task_queue="timeskip"
    )
    return result


clients: list[Client] = []


@workflow.defn
class StartsAnother:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(
            start_another, name, start_to_close_timeout=timedelta(minutes=1)
        )


@pytest.fixture
def threads() -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    """Threads of the test's."""
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        yield pool


async def greeting(sim: Simulation, name: str) -> str:
    return await sim.client.execute_workflow(
        Greeter.run, name, id=f"greeter-{name}", task_queue=sim.task_queue
    )


async def sleep_for(sim: Simulation, seconds: float) -> float:
    return await sim.client.execute_workflow(
        Sleeper.run, seconds, id=f"sleeper-{seconds}", task_queue=sim.task_queue
    )


@asynccontextmanager
async def worker_in_a_thread(sim: Simulation) -> AsyncIterator[None]:
    """A worker of the user's own, on an event loop of its own."""
    runs: concurrent.futures.Future[None] = concurrent.futures.Future()
    stop: list[Callable[[], object]] = []

    async def work() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(stopped.set))
        async with Worker(
            sim.client,
            task_queue=sim.task_queue,
            workflows=[Greeter, Sleeper, Inbox],
            activities=[greet],
        ):
            runs.set_result(None)
            await stopped.wait()

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    await asyncio.to_thread(runs.result)
    try:
        yield
    finally:
        stop[0]()
        await asyncio.to_thread(thread.join)


async def test_worker_runs_in_a_thread_of_the_users(sim: Simulation) -> None:
    async with worker_in_a_thread(sim):
        assert await greeting(sim, "Ada") == "Hello, Ada!"
        await sleep_for(sim, 86_400)
    assert sim.elapsed == DAY


async def test_signals_and_queries_reach_a_worker_in_a_thread(sim: Simulation) -> None:
    async with worker_in_a_thread(sim):
        handle = await sim.client.start_workflow(
            Inbox.run, "end", id="inbox", task_queue=sim.task_queue
        )
        sim.at(DAY, handle.signal, Inbox.post, "end")
        arrivals = await handle.result()
    assert [message for message, _ in arrivals] == ["end"]
    assert sim.elapsed == DAY


async def test_worker_in_a_thread_comes_after_the_workflow(sim: Simulation) -> None:
    result = asyncio.create_task(greeting(sim, "Ada"))
    async with worker_in_a_thread(sim):
        assert await result == "Hello, Ada!"


async def test_waiting_in_vain_for_a_worker_in_a_thread_is_told(sim: Simulation) -> None:
    async with worker_in_a_thread(sim):
        handle = await sim.client.start_workflow(
            Inbox.run, "never", id="inbox", task_queue=sim.task_queue
        )
        with pytest.raises(SimulationStuck, match="'inbox'"):
            await handle.result()


async def test_waits_outlive_the_thread_of_the_worker(sim: Simulation) -> None:
    async with worker_in_a_thread(sim):
        handle = await sim.client.start_workflow(
            Inbox.run, "end", id="inbox", task_queue=sim.task_queue
        )
        await handle.signal(Inbox.post, "before")
        result = asyncio.create_task(handle.result())
    async with worker_in_a_thread(sim):
        await handle.signal(Inbox.post, "end")
        assert [message for message, _ in await result] == ["before", "end"]


async def test_threads_use_the_client_at_once(
    sim: Simulation, threads: concurrent.futures.ThreadPoolExecutor
) -> None:
    def use(number: int) -> str:
        return asyncio.run(greeting(sim, f"thread {number}"))

    loop = asyncio.get_running_loop()
    async with sim.worker(workflows=[Greeter], activities=[greet]):
        greetings = await asyncio.gather(
            *(loop.run_in_executor(threads, use, number) for number in range(10))
        )
    assert greetings == [f"Hello, thread {number}!" for number in range(10)]


async def test_threads_wait_for_time_at_once(
    sim: Simulation, threads: concurrent.futures.ThreadPoolExecutor
) -> None:
    loop = asyncio.get_running_loop()
    async with sim.worker(workflows=[Sleeper]):
        woken = await asyncio.gather(
            *(
                loop.run_in_executor(threads, asyncio.run, sleep_for(sim, 3600 * number))
                for number in range(1, 11)
            )
        )
    began = sim.now.timestamp() - sim.elapsed.total_seconds()
    assert [round(when - began) for when in woken] == [3600 * number for number in range(1, 11)]


async def test_thread_sleeps_in_virtual_time(
    sim: Simulation, threads: concurrent.futures.ThreadPoolExecutor
) -> None:
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(threads, asyncio.run, sim.sleep(DAY))
    await sim.sleep(DAY)
    assert sim.elapsed == 2 * DAY


def test_loops_come_one_after_the_other(sim: Simulation) -> None:
    async def use(name: str) -> str:
        async with sim.worker(workflows=[Greeter], activities=[greet]):
            await sim.sleep(DAY)
            return await greeting(sim, name)

    assert [asyncio.run(use(name)) for name in ("Ada", "Grace")] == ["Hello, Ada!", "Hello, Grace!"]
    assert sim.elapsed == 2 * DAY


def test_workflow_goes_on_with_the_next_loop(sim: Simulation) -> None:
    async def begin() -> None:
        async with sim.worker(workflows=[Inbox]):
            handle = await sim.client.start_workflow(
                Inbox.run, "end", id="inbox", task_queue=sim.task_queue
            )
            await handle.signal(Inbox.post, "first")
            await sim.sleep(DAY)

    async def end() -> list[str]:
        async with sim.worker(workflows=[Inbox]):
            handle = sim.client.get_workflow_handle("inbox")
            await handle.signal(Inbox.post, "end")
            return [message for message, _ in await handle.result()]

    asyncio.run(begin())
    assert asyncio.run(end()) == ["first", "end"]


def test_plain_test_and_a_loop_of_its_own_take_turns(sim: Simulation) -> None:
    with sim.worker(workflows=[Greeter, Sleeper], activities=[greet]):
        assert sim.run(greeting(sim, "Ada")) == "Hello, Ada!"
        assert asyncio.run(greeting(sim, "Grace")) == "Hello, Grace!"
        sim.run(sleep_for(sim, 86_400))
        asyncio.run(sleep_for(sim, 3600))
    assert sim.elapsed == timedelta(hours=25)


def test_action_is_given_outside_of_any_loop(sim: Simulation) -> None:
    seen: list[timedelta] = []
    sim.at(DAY, lambda: seen.append(sim.elapsed))
    sim.run(sim.sleep(2 * DAY))
    assert seen == [DAY]


async def test_test_blocks_its_loop_while_a_thread_uses_the_client(sim: Simulation) -> None:
    """Bad style, but not rare: the loop of the test stands still until the thread is done."""

    def use() -> str:
        with sim.worker(workflows=[Greeter], activities=[greet]):
            return sim.run(greeting(sim, "Ada"))

    assert in_a_thread(use) == "Hello, Ada!"


@pytest.mark.timeskip(stall_timeout=timedelta(milliseconds=400))
async def test_loop_that_is_blocked_for_a_thread_is_told(sim: Simulation) -> None:
    if sim.lane == "wire":
        pytest.skip("its service has a thread of its own")
    await sim.sleep(1)
    for use in (greeting(sim, "Ada"), sim.sleep(1)):
        with pytest.raises(SimulationStalled) as told:
            in_a_thread(lambda use=use: asyncio.run(use))  # type: ignore[misc]
        assert "has been blocked, while another thread waits for it" in str(told.value)
        assert "in in_a_thread: thread.join()" in str(told.value)
    await sim.sleep(1)


def in_a_thread(function: Callable[[], Result]) -> Result:
    outcome: concurrent.futures.Future[Result] = concurrent.futures.Future()

    def run() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # noqa: BLE001 - the caller's
            outcome.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome.result()


async def test_activity_uses_the_client(sim: Simulation) -> None:
    clients[:] = [sim.client]
    async with sim.worker(workflows=[StartsAnother, Greeter], activities=[start_another, greet]):
        result = await sim.client.execute_workflow(
            StartsAnother.run, "Ada", id="starts", task_queue=sim.task_queue
        )
    assert result == "Hello, Ada!"


async def test_synchronous_activity_uses_the_client_on_a_loop_of_its_own(sim: Simulation) -> None:
    @activity.defn(name="start_another")
    def start_in_a_thread(name: str) -> str:
        return asyncio.run(greeting(sim, name))

    async with sim.worker(
        workflows=[StartsAnother, Greeter], activities=[start_in_a_thread, greet]
    ):
        result = await sim.client.execute_workflow(
            StartsAnother.run, "Ada", id="starts", task_queue=sim.task_queue
        )
    assert result == "Hello, Ada!"


async def test_own_worker_runs_in_a_background_task(sim: Simulation) -> None:
    worker = Worker(sim.client, task_queue=sim.task_queue, workflows=[Greeter], activities=[greet])
    running = asyncio.create_task(worker.run())
    assert await greeting(sim, "Ada") == "Hello, Ada!"
    await worker.shutdown()
    await running


async def test_background_worker_is_cancelled(sim: Simulation) -> None:
    worker = Worker(sim.client, task_queue=sim.task_queue, workflows=[Greeter], activities=[greet])
    running: asyncio.Task[None] = asyncio.create_task(worker.run())
    assert await greeting(sim, "Ada") == "Hello, Ada!"
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
