"""What is left when an activity ends, when its simulation is closed, and when nobody simulates."""

from __future__ import annotations

import asyncio
import threading
import time
import types
from datetime import timedelta

import pytest

from tests.activity_time.conftest import ActivityRunner
from tests.activity_time.idle_clock import IdleClock
from timeskip import activity_time
from timeskip.activity_time import ActivityTime
from timeskip.activity_time.unwatched_loop import UnwatchedLoop

pytestmark = pytest.mark.asyncio


async def test_closing_cancels_what_still_runs(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    clock.stop()
    task = asyncio.create_task(activities.run(asyncio.sleep, 3600))
    await asyncio.to_thread(clock.wait_until, lambda: clock.pending() == 1)
    activities.time.close()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.pending() == 0


async def test_task_that_outlives_its_activity_does_not_hold_the_clock(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    at_work = threading.Event()
    left: list[asyncio.Task[None]] = []

    async def leave_behind() -> None:
        left.append(asyncio.create_task(asyncio.to_thread(at_work.wait)))  # type: ignore[arg-type]
        await asyncio.sleep(0)

    await activities.run(leave_behind)
    await activities.run(asyncio.sleep, 60)
    assert clock.elapsed == 60
    at_work.set()
    await asyncio.gather(*left)


async def test_task_left_behind_sleeps_on_in_virtual_time(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    left: list[asyncio.Task[None]] = []

    async def linger() -> None:
        await asyncio.sleep(30)

    async def leave_behind() -> None:
        left.append(asyncio.create_task(linger()))

    await activities.run(leave_behind)
    await activities.run(asyncio.sleep, 60)
    await left[0]
    assert clock.jumps == [30, 60]


async def test_task_left_behind_goes_on_in_real_time_after_closing(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    left: list[asyncio.Task[None]] = []

    async def linger() -> None:
        await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)

    async def leave_behind() -> None:
        left.append(asyncio.create_task(linger()))

    await activities.run(leave_behind)
    activities.time.close()
    await asyncio.gather(*left)
    assert clock.elapsed == 0
    assert clock.pending() == 0


async def test_loop_is_itself_again_when_its_last_simulation_is_closed(clock: IdleClock) -> None:
    loop = asyncio.get_running_loop()
    own = type(loop)
    first, second = (ActivityRunner(clock, timedelta(hours=1)) for _ in range(2))
    await first.run(asyncio.sleep, 1)
    await second.run(asyncio.sleep, 1)
    assert type(loop) is not own
    assert isinstance(loop, own)
    first.time.close()
    assert type(loop) is not own
    second.time.close()
    assert type(loop) is own


async def test_simulations_side_by_side_have_times_of_their_own(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    other_clock = IdleClock()
    others = ActivityRunner(other_clock, timedelta(hours=1))
    await asyncio.gather(activities.run(asyncio.sleep, 10), others.run(asyncio.sleep, 2000))
    assert (clock.jumps, other_clock.jumps) == ([10], [2000])
    others.time.close()
    other_clock.stop()


async def test_closing_is_harmless_when_nothing_ran(clock: IdleClock) -> None:
    simulation = ActivityTime(clock, clock)
    simulation.close()
    simulation.close()


async def test_closed_loop_needs_no_waking() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    UnwatchedLoop(loop, type(loop)).call_soon_threadsafe(pytest.fail)


async def test_uninstall_restores_the_real_sleep() -> None:
    activity_time.uninstall()
    try:
        assert isinstance(time.sleep, types.BuiltinFunctionType)
        activity_time.uninstall()
    finally:
        activity_time.install()
    installed = time.sleep
    activity_time.install()
    assert time.sleep is installed
