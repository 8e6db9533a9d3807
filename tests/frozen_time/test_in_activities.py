"""Activities see the time of their own simulation."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Iterator
from datetime import timedelta, timezone

import pytest

from tests.activity_time.conftest import ActivityRunner
from tests.activity_time.idle_clock import START_NS, IdleClock
from tests.frozen_time.conftest import StandingClock
from timeskip import frozen_time

START = datetime.datetime(2024, 1, 1, tzinfo=timezone.utc)

pytestmark = pytest.mark.asyncio


@pytest.fixture
def activities() -> Iterator[ActivityRunner]:
    clock = IdleClock()
    frozen_time.show(clock)
    runner = ActivityRunner(clock, timedelta(hours=1))
    yield runner
    runner.time.close()
    runner.executor.shutdown()
    frozen_time.hide(clock)
    clock.stop()


async def test_time_passes_with_sleeps(activities: ActivityRunner) -> None:
    async def note() -> list[datetime.datetime]:
        seen = [datetime.datetime.now(timezone.utc)]
        await asyncio.sleep(3600)
        return [*seen, datetime.datetime.now(timezone.utc)]

    assert await activities.run(note) == [START, START + timedelta(hours=1)]


async def test_threads_see_it_too(activities: ActivityRunner) -> None:
    def note() -> int:
        time.sleep(3600)
        return time.time_ns()

    async def delegate() -> int:
        return await asyncio.get_running_loop().run_in_executor(None, note)

    assert await activities.run(note) == START_NS + 3600 * 10**9
    assert await activities.run(delegate) == START_NS + 7200 * 10**9


async def test_activity_sees_its_own_simulation(activities: ActivityRunner) -> None:
    async def note() -> float:
        return time.time()

    other = StandingClock(0)
    frozen_time.show(other)
    assert time.time() == 0
    assert await activities.run(note) == START.timestamp()
    frozen_time.hide(other)


async def test_deadlines_of_activities_agree_with_both_clocks(activities: ActivityRunner) -> None:
    async def poll_until_deadline() -> int:
        deadline = time.time() + 60
        polls = 0
        while time.time() < deadline:  # as users write it
            polls += 1
            await asyncio.sleep(10)
        return polls

    assert await activities.run(poll_until_deadline) == 6
