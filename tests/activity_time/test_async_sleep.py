"""What an async activity does with the event loop's timers takes virtual time."""

from __future__ import annotations

import asyncio
import math
import threading

import pytest

from tests.activity_time.conftest import ActivityRunner
from tests.activity_time.idle_clock import IdleClock

YEAR = 365 * 86_400

pytestmark = pytest.mark.asyncio


async def test_sleep_of_a_year_takes_no_time(activities: ActivityRunner, clock: IdleClock) -> None:
    async def hibernate() -> str:
        return await asyncio.sleep(YEAR, "spring")

    assert await activities.run(hibernate) == "spring"
    assert clock.jumps == [YEAR]
    assert clock.told == [
        ("started", None),
        ("parked", None),
        ("awake", None),
        ("finished", None),
    ]


async def test_sleeps_add_up_exactly(activities: ActivityRunner, clock: IdleClock) -> None:
    async def doze() -> None:
        for _ in range(100):
            await asyncio.sleep(0.1)

    await activities.run(doze)
    assert clock.now_ns() % 1_000_000_000 == 0
    assert clock.elapsed == 10


async def test_sleep_of_nothing_takes_no_time(activities: ActivityRunner, clock: IdleClock) -> None:
    async def yield_often() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        await asyncio.sleep(-1)

    await activities.run(yield_often)
    assert clock.elapsed == 0


async def test_loop_time_is_virtual(activities: ActivityRunner) -> None:
    async def measure() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await asyncio.sleep(90)
        return loop.time() - start

    assert await activities.run(measure) == pytest.approx(90)


async def test_call_at_is_virtual(activities: ActivityRunner, clock: IdleClock) -> None:
    async def ring() -> list[float]:
        loop = asyncio.get_running_loop()
        rung = asyncio.Event()
        handle = loop.call_at(loop.time() + 7, rung.set)
        await rung.wait()
        return [clock.elapsed, handle.when() - loop.time()]

    assert await activities.run(ring) == [7, pytest.approx(0)]


async def test_call_at_in_the_past_comes_at_once(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    async def ring() -> float:
        loop = asyncio.get_running_loop()
        rung = asyncio.Event()
        loop.call_at(loop.time() - 7, rung.set)
        await rung.wait()
        return clock.elapsed

    assert await activities.run(ring) == 0


async def test_cancelled_timer_does_not_move_time(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    async def change_mind() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(5, pytest.fail).cancel()
        await asyncio.sleep(10)

    await activities.run(change_mind)
    assert clock.jumps == [10]


async def test_timers_of_one_instant_come_in_order(activities: ActivityRunner) -> None:
    async def ring() -> list[int]:
        loop = asyncio.get_running_loop()
        order: list[int] = []
        for number in range(20):
            loop.call_later(1, order.append, number)
        await asyncio.sleep(1)
        return order

    assert await activities.run(ring) == list(range(20))


async def test_wait_for_gives_up_in_virtual_time(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    async def impatient() -> None:
        await asyncio.wait_for(asyncio.sleep(60), timeout=30)

    with pytest.raises(asyncio.TimeoutError):
        await activities.run(impatient)
    assert clock.elapsed == 30


async def test_wait_for_ends_early(activities: ActivityRunner, clock: IdleClock) -> None:
    async def patient() -> str:
        return await asyncio.wait_for(asyncio.sleep(30, "done"), timeout=60)

    assert await activities.run(patient) == "done"
    assert clock.elapsed == 30
    assert clock.pending() == 0


async def test_timeout_block_is_virtual(activities: ActivityRunner, clock: IdleClock) -> None:
    timeout = getattr(asyncio, "timeout", None)
    if timeout is None:
        pytest.skip("asyncio.timeout came with Python 3.11")

    async def impatient() -> None:
        async with timeout(30) as block:
            block.reschedule(asyncio.get_running_loop().time() + 45)
            await asyncio.sleep(YEAR)

    with pytest.raises(asyncio.TimeoutError):
        await activities.run(impatient)
    assert clock.elapsed == 45


async def test_gathered_sleeps_overlap(activities: ActivityRunner, clock: IdleClock) -> None:
    async def sleep_together() -> list[int]:
        return await asyncio.gather(*(asyncio.sleep(10 * n, n) for n in (3, 1, 2)))

    assert await activities.run(sleep_together) == [3, 1, 2]
    assert clock.jumps == [10, 20, 30]


async def test_wait_for_the_first_of_two(activities: ActivityRunner, clock: IdleClock) -> None:
    async def race() -> int:
        tasks = [asyncio.ensure_future(asyncio.sleep(10 * n, n)) for n in (3, 1)]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        return done.pop().result()

    assert await activities.run(race) == 1
    assert clock.elapsed == 10


async def test_producer_and_consumer(activities: ActivityRunner, clock: IdleClock) -> None:
    async def conveyor() -> list[float]:
        belt: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
        taken: list[float] = []

        async def consume() -> None:
            for _ in range(3):
                await belt.get()
                taken.append(clock.elapsed)
                await asyncio.sleep(10)

        consumer = asyncio.ensure_future(consume())
        for number in range(3):
            await belt.put(number)
            await asyncio.sleep(1)
        await consumer
        return taken

    assert await activities.run(conveyor) == [0, 10, 20]


async def test_task_group_of_sleeps(activities: ActivityRunner, clock: IdleClock) -> None:
    group_type = getattr(asyncio, "TaskGroup", None)
    if group_type is None:
        pytest.skip("asyncio.TaskGroup came with Python 3.11")

    async def sleep_together() -> None:
        async with group_type() as group:
            group.create_task(asyncio.sleep(20))
            group.create_task(asyncio.sleep(10))

    await activities.run(sleep_together)
    assert clock.jumps == [10, 20]


async def test_endless_sleep_waits_for_cancellation(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    async def wait_forever() -> None:
        await asyncio.sleep(math.inf)

    task = asyncio.create_task(activities.run(wait_forever))
    await asyncio.to_thread(clock.wait_until, lambda: ("parked", None) in clock.told)
    activities.environments[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.elapsed == 0


async def test_cancelled_sleep_leaves_no_timer(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    at_work = threading.Event()
    holder = asyncio.create_task(activities.run(asyncio.to_thread, at_work.wait))
    sleeper = asyncio.create_task(activities.run(asyncio.sleep, 60))
    await asyncio.to_thread(clock.wait_until, lambda: ("parked", None) in clock.told)
    assert clock.pending() == 1
    activities.environments[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeper
    assert clock.pending() == 0
    at_work.set()
    await holder
    assert clock.elapsed == 0


async def test_time_outside_activities_is_real(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    loop = asyncio.get_running_loop()

    async def sleep_outside() -> float:
        started = loop.time()
        await asyncio.sleep(0.001)
        return loop.time() - started

    outside = asyncio.create_task(sleep_outside())
    await activities.run(asyncio.sleep, 3600)
    assert 0.0005 < await outside < 60
    assert clock.elapsed == 3600


async def test_activities_wait_for_each_other(activities: ActivityRunner, clock: IdleClock) -> None:
    async def sleep_twice(first: float, second: float) -> list[float]:
        await asyncio.sleep(first)
        seen = [clock.elapsed]
        await asyncio.sleep(second)
        return [*seen, clock.elapsed]

    results = await asyncio.gather(
        activities.run(sleep_twice, 10, 20), activities.run(sleep_twice, 15, 1)
    )
    assert list(results) == [[10, 30], [15, 16]]


async def test_many_tasks_in_many_activities(activities: ActivityRunner, clock: IdleClock) -> None:
    async def fan_out(number: int) -> None:
        await asyncio.gather(*(asyncio.sleep(number + step) for step in range(20)))

    await asyncio.gather(*(activities.run(fan_out, number) for number in range(20)))
    assert clock.elapsed == 38
    assert clock.jumps == sorted(clock.jumps)
    assert clock.running == {}
