"""`time.sleep` takes virtual time in an activity's thread, and real time elsewhere."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from time import sleep as sleep_imported_by_name
from typing import Any

import pytest

from tests.activity_time.conftest import ActivityRunner
from tests.activity_time.idle_clock import IdleClock

YEAR = 365 * 86_400

pytestmark = pytest.mark.asyncio


async def test_sync_activity_sleeps_a_year(activities: ActivityRunner, clock: IdleClock) -> None:
    def hibernate() -> str:
        time.sleep(YEAR)
        return "spring"

    assert await activities.run(hibernate) == "spring"
    assert clock.jumps == [YEAR]
    assert clock.told == [
        ("started", None),
        ("parked", None),
        ("awake", None),
        ("finished", None),
    ]


async def test_sleep_imported_by_name_is_virtual(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    await activities.run(lambda: sleep_imported_by_name(YEAR), activity_type="hibernate")
    assert clock.elapsed == YEAR


async def test_sleeps_of_a_thread_add_up_exactly(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    def doze() -> None:
        for _ in range(100):
            time.sleep(0.1)

    await activities.run(doze)
    assert clock.elapsed == 10


async def test_sleep_refuses_what_the_real_one_refuses(activities: ActivityRunner) -> None:
    def oversleep() -> None:
        time.sleep(0)
        with pytest.raises(ValueError, match="must be non-negative"):
            time.sleep(-1)
        with pytest.raises(ValueError, match="NaN"):
            time.sleep(float("nan"))
        with pytest.raises(OverflowError):
            time.sleep(float("inf"))
        with pytest.raises(TypeError):
            time.sleep("1")  # type: ignore[arg-type]

    await activities.run(oversleep)


async def test_sleep_outside_activities_is_real(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    started = time.monotonic()
    await asyncio.to_thread(time.sleep, 0.001)
    assert time.monotonic() - started >= 0.001
    assert clock.elapsed == 0


async def test_thread_of_an_async_activity_sleeps(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    async def delegate() -> None:
        await asyncio.to_thread(time.sleep, 60)

    await activities.run(delegate)
    assert clock.jumps == [60]


async def test_executor_of_an_async_activity_sleeps(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    async def delegate() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.gather(
            loop.run_in_executor(None, time.sleep, 60),
            loop.run_in_executor(activities.executor, time.sleep, 40),
        )

    await activities.run(delegate)
    assert clock.jumps == [40, 60]


async def test_working_thread_holds_the_clock(activities: ActivityRunner, clock: IdleClock) -> None:
    async def work_and_wait() -> list[float]:
        at_work = threading.Event()
        work = asyncio.ensure_future(asyncio.to_thread(at_work.wait))
        nap = asyncio.ensure_future(asyncio.sleep(10))
        asyncio.get_running_loop().call_soon(at_work.set)
        await work
        seen = [clock.elapsed]
        await nap
        return [*seen, clock.elapsed]

    assert await activities.run(work_and_wait) == [0, 10]


async def test_thread_holds_the_clock_between_two_sleeps(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    woken = threading.Event()
    go_on = threading.Event()

    def work() -> float:
        time.sleep(10)
        woken.set()
        assert go_on.wait(10)
        return clock.elapsed

    nap = asyncio.create_task(activities.run(asyncio.sleep, 11))
    work_run = asyncio.create_task(activities.run(work))
    await asyncio.to_thread(woken.wait)
    await asyncio.sleep(0.01)
    go_on.set()
    assert await work_run == 10
    await nap


async def test_attempts_that_wait_for_a_thread_do_not_hold_the_clock(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    with ThreadPoolExecutor(max_workers=2) as executor:

        def work() -> float:
            time.sleep(60)
            return clock.elapsed

        runs = [activities.run(work, executor=executor) for _ in range(5)]
        assert sorted(await asyncio.gather(*runs)) == [60, 60, 120, 120, 180]


class ThreadsElsewhere(ThreadPoolExecutor):
    """A pool of threads that has nothing of its base's inside, as trio-asyncio's."""

    def __init__(self) -> None:
        self._threads_of_its_own = ThreadPoolExecutor(1)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._threads_of_its_own.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads_of_its_own.shutdown(wait, cancel_futures=cancel_futures)


async def test_pool_that_keeps_its_threads_elsewhere(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    with ThreadsElsewhere() as pool:

        async def hibernate() -> None:
            await asyncio.get_running_loop().run_in_executor(pool, time.sleep, YEAR)

        await activities.run(hibernate)
    assert clock.elapsed == YEAR


async def test_call_withdrawn_before_it_gets_a_thread(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    with ThreadPoolExecutor(max_workers=1) as executor:

        async def delegate() -> None:
            loop = asyncio.get_running_loop()
            first = loop.run_in_executor(executor, time.sleep, 60)
            second = loop.run_in_executor(executor, pytest.fail)
            third = loop.run_in_executor(executor, time.sleep, 30)
            await asyncio.sleep(10)
            second.cancel()
            await asyncio.gather(first, third)

        await activities.run(delegate)
    assert clock.jumps == [10, 60, 90]


async def test_thread_that_runs_in_the_activity_context(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    """A heartbeating thread beside a sync activity, as users start them."""
    beats: list[float] = []

    def work() -> None:
        def beat() -> None:
            for _ in range(5):
                time.sleep(10)
                beats.append(clock.elapsed)

        thread = threading.Thread(target=contextvars.copy_context().run, args=(beat,))
        thread.start()
        time.sleep(55)
        thread.join()

    await activities.run(work)
    assert beats == [10, 20, 30, 40, 50]


async def test_loop_that_is_blocked_by_a_sleep(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    async def block() -> None:
        time.sleep(30)  # noqa: ASYNC251  # the mistake that is tested

    await activities.run(block)
    assert clock.jumps == [30]
    assert ("parked", "blocks loop") in clock.told
