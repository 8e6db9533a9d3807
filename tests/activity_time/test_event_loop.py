"""The event loop's other entrances: contexts, descriptors, pools, process pools, unusual times."""

from __future__ import annotations

import asyncio
import contextvars
import math
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.activity_time.conftest import ActivityRunner
from tests.activity_time.idle_clock import IdleClock
from timeskip.activity_time.event_loop import unwatch_loop, watch_loop
from timeskip.activity_time.virtual_time import RunningAttempt

pytestmark = pytest.mark.asyncio


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks take a context since Python 3.11")
async def test_task_in_an_empty_context_is_on_virtual_time(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    async def isolate() -> None:
        empty: dict[str, Any] = {"context": contextvars.Context()}
        await asyncio.get_running_loop().create_task(asyncio.sleep(60), **empty)

    await activities.run(isolate)
    assert clock.elapsed == 60


async def test_timer_that_never_comes(activities: ActivityRunner, clock: IdleClock) -> None:
    async def wait_in_vain() -> None:
        handle = asyncio.get_running_loop().call_at(math.inf, pytest.fail)
        await asyncio.sleep(1)
        handle.cancel()

    await activities.run(wait_in_vain)
    assert clock.jumps == [1]


async def test_descriptor_that_the_activity_writes_to(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    async def write() -> float:
        loop = asyncio.get_running_loop()
        writable = asyncio.Event()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            loop.add_writer(ours, writable.set)
            await writable.wait()
            loop.remove_writer(ours)
        return clock.elapsed

    elapsed, _ = await asyncio.gather(activities.run(write), activities.run(asyncio.sleep, 60))
    assert elapsed == 0


async def test_shell_command(activities: ActivityRunner, clock: IdleClock) -> None:
    async def spawn() -> tuple[int, float]:
        process = await asyncio.create_subprocess_shell("exit 3")
        return await process.wait(), clock.elapsed

    outcome, _ = await asyncio.gather(activities.run(spawn), activities.run(asyncio.sleep, 60))
    assert outcome == (3, 0)


class RemoteExecutor(Executor):
    """Like a process pool, it runs calls where nothing can be seen of them."""

    def __init__(self) -> None:
        self.calls: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls.append(Future())
        return self.calls[-1]


async def test_call_in_another_process_holds_the_clock(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    executor = RemoteExecutor()

    async def delegate() -> float:
        await asyncio.get_running_loop().run_in_executor(executor, math.factorial, 10)
        return clock.elapsed

    call = asyncio.create_task(activities.run(delegate))
    nap = asyncio.create_task(activities.run(asyncio.sleep, 60))
    await asyncio.to_thread(clock.wait_until, lambda: ("parked", None) in clock.told)
    executor.calls[0].set_result(3628800)
    assert await call == 0
    await nap


async def test_pool_that_is_shut_down_holds_nothing(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    executor = ThreadPoolExecutor(max_workers=1)
    executor.shutdown()

    async def delegate() -> None:
        with pytest.raises(RuntimeError, match="after shutdown"):
            asyncio.get_running_loop().run_in_executor(executor, time.sleep, 1)
        await asyncio.sleep(60)

    await activities.run(delegate)
    assert clock.elapsed == 60


async def test_attempt_says_what_it_is(activities: ActivityRunner, clock: IdleClock) -> None:
    seen: list[RunningAttempt] = []

    async def charge_card() -> None:
        seen.extend(clock.running)

    await activities.run(charge_card, is_local=True, attempt=3, activity_id="7")
    (attempt,) = seen
    assert str(attempt) == "charge_card (7, attempt 3)"
    assert attempt.is_local
    assert attempt.workflow_run_id == "test-run"


async def test_async_generator_that_is_left_behind_ends_although_nobody_watches_the_loop() -> None:
    ended = asyncio.Event()

    async def count() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            ended.set()

    loop = asyncio.get_running_loop()
    watch_loop(loop)
    left_behind = count()
    await anext(left_behind)
    del left_behind
    # asyncio has queued a method of the watched loop, to end the generator.
    unwatch_loop(loop)
    await asyncio.wait_for(ended.wait(), 60)
