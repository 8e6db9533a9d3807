"""Activities that their workers leave open, and those of the test that complete them, after a while."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy

from timeskip import Simulation
from timeskip.lanes import completers

pytestmark = [pytest.mark.asyncio, pytest.mark.both_lanes]

#: Real seconds that those who complete an activity sleep again and again. They heartbeat in between.
NAP = 0.02


@workflow.defn(sandboxed=False)
class Approval:
    """Asks for approval once, and not for longer than an hour."""

    @workflow.run
    async def run(self) -> str:
        answer: str = await workflow.execute_activity(
            "ask",
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=timedelta(minutes=1),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
        return answer


class Desk:
    """Where somebody is asked: `begin` gets the token and goes on elsewhere."""

    def __init__(self, begin: Callable[[bytes], object]) -> None:
        self._begin = begin

    @activity.defn
    async def ask(self) -> str:
        self._begin(activity.info().task_token)
        activity.raise_complete_async()


async def approve(client: Client, token: bytes, nap: float = NAP) -> None:
    handle = client.get_async_activity_handle(task_token=token)
    for _ in range(4):
        await handle.heartbeat()
        await asyncio.sleep(nap)
    await handle.complete("yes")


def approve_from_thread(client: Client, token: bytes, loop: asyncio.AbstractEventLoop) -> None:
    """As in the SDK's examples."""
    handle = client.get_async_activity_handle(task_token=token)
    for _ in range(4):
        asyncio.run_coroutine_threadsafe(handle.heartbeat(), loop).result()
        time.sleep(NAP)
    asyncio.run_coroutine_threadsafe(handle.complete("yes"), loop).result()


async def result(sim: Simulation, begin: Callable[[bytes], object]) -> str:
    async with sim.worker(workflows=[Approval], activities=[Desk(begin).ask]):
        return await sim.client.execute_workflow(
            Approval.run, id="approval", task_queue=sim.task_queue
        )


async def test_task_of_the_test_completes_it(sim: Simulation) -> None:
    asked: asyncio.Queue[bytes] = asyncio.Queue()

    async def wait_and_approve() -> None:
        await approve(sim.client, await asked.get())

    approving = asyncio.create_task(wait_and_approve())
    assert await result(sim, asked.put_nowait) == "yes"
    await approving


async def test_task_that_the_activity_leaves_behind_completes_it(sim: Simulation) -> None:
    """Its sleeps are virtual, and no time passes between its waking and its next heartbeat."""
    tasks: list[asyncio.Task[None]] = []

    def begin(token: bytes) -> None:
        tasks.append(asyncio.create_task(approve(sim.client, token, nap=45)))

    assert await result(sim, begin) == "yes"
    assert sim.elapsed == timedelta(minutes=3)


async def test_thread_completes_it(sim: Simulation) -> None:
    loop = asyncio.get_running_loop()

    def begin(token: bytes) -> None:
        threading.Thread(target=approve_from_thread, args=(sim.client, token, loop)).start()

    assert await result(sim, begin) == "yes"


async def test_pool_of_the_test_completes_it(sim: Simulation) -> None:
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        assert (
            await result(
                sim, lambda token: pool.submit(approve_from_thread, sim.client, token, loop)
            )
            == "yes"
        )


async def test_call_that_the_activity_leaves_in_an_executor_completes_it(sim: Simulation) -> None:
    loop = asyncio.get_running_loop()

    def begin(token: bytes) -> None:
        loop.run_in_executor(None, approve_from_thread, sim.client, token, loop)

    assert await result(sim, begin) == "yes"


async def test_nobody_completes_it(sim: Simulation) -> None:
    with pytest.raises(WorkflowFailureError):
        await result(sim, lambda token: None)


async def test_somebody_sleeps_who_does_not_complete_it(
    sim: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completers, "_PATIENCE", NAP)

    async def look_about() -> None:
        for _ in range(1000):
            await asyncio.sleep(NAP)

    looking = asyncio.create_task(look_about())
    with pytest.raises(WorkflowFailureError):
        await result(sim, lambda token: None)
    looking.cancel()
