"""The manual and the real clock, and time skipping that a test has switched off."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta, timezone

import pytest

from tests.simulation.workflows import Heartbeat, Inbox, Sleeper
from timeskip import Simulation, SimulationStuck, diagnosis

DAY = timedelta(days=1)

pytestmark = pytest.mark.both_lanes

manual = pytest.mark.timeskip(clock="manual")
real = pytest.mark.timeskip(clock="real")


@manual
async def test_manual_time_moves_only_when_told(sim: Simulation) -> None:
    async with sim.worker(workflows=[Sleeper]):
        handle = await sim.client.start_workflow(
            Sleeper.run, 3600, id="sleeper", task_queue=sim.task_queue
        )
        result = asyncio.create_task(handle.result())
        await sim.advance(timedelta(minutes=59))
        assert not result.done()
        await sim.advance(timedelta(minutes=1))
        assert await result == sim.now.timestamp()
    assert sim.elapsed == timedelta(hours=1)


@manual
async def test_manual_time_passes_through_every_instant_on_its_way(sim: Simulation) -> None:
    async with sim.worker(workflows=[Heartbeat]):
        handle = await sim.client.start_workflow(
            Heartbeat.run, args=[86_400, 100], id="heartbeat", task_queue=sim.task_queue
        )
        await sim.advance(timedelta(days=30, hours=12))
        assert await handle.query(Heartbeat.ticks) == 30
        await sim.advance(timedelta(hours=12))
        assert await handle.query(Heartbeat.ticks) == 31


@manual
async def test_sleep_waits_for_somebody_else_to_advance_manual_time(sim: Simulation) -> None:
    woke: list[timedelta] = []

    async def nap() -> None:
        await sim.sleep(DAY)
        woke.append(sim.elapsed)

    napping = asyncio.create_task(nap())
    await sim.advance(DAY / 2)
    assert not woke
    await sim.advance(DAY)
    await napping
    # The test itself ran on only after the whole advance.
    assert woke == [DAY] or woke == [1.5 * DAY]


@manual
async def test_action_happens_while_manual_time_advances(sim: Simulation) -> None:
    seen: list[timedelta] = []
    sim.at(DAY, lambda: seen.append(sim.elapsed))
    await sim.advance(2 * DAY)
    assert seen == [DAY]


@manual
async def test_waiting_for_manual_time_that_nobody_advances_says_what_to_do(
    sim: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "_PATIENCE", 0.2)
    async with sim.worker(workflows=[Sleeper]):
        with pytest.raises(SimulationStuck) as stuck:
            await sim.client.execute_workflow(
                Sleeper.run, 3600, id="sleeper", task_queue=sim.task_queue
            )
    assert "await sim.advance(...)" in str(stuck.value)
    assert "2024-01-01 01:00:00" in str(stuck.value)


async def test_virtual_time_cannot_be_advanced_by_hand(sim: Simulation) -> None:
    with pytest.raises(ValueError, match="only a simulation with clock='manual'"):
        await sim.advance(DAY)


@real
async def test_real_time_passes_by_itself(sim: Simulation) -> None:
    began = time.monotonic()
    assert abs(sim.now - datetime.now(timezone.utc)) < timedelta(minutes=1)
    async with sim.worker(workflows=[Sleeper]):
        await sim.client.execute_workflow(
            Sleeper.run, 0.05, id="sleeper", task_queue=sim.task_queue
        )
    assert time.monotonic() - began >= 0.05
    assert timedelta(milliseconds=50) <= sim.elapsed < timedelta(minutes=1)


@real
async def test_sleep_and_conditions_take_real_time(sim: Simulation) -> None:
    seen: list[timedelta] = []
    sim.at(timedelta(milliseconds=20), lambda: seen.append(sim.elapsed))
    await sim.run_until(lambda: bool(seen))
    await sim.sleep(0.02)
    assert seen[0] >= timedelta(milliseconds=20)
    assert sim.elapsed >= timedelta(milliseconds=40)


async def test_results_take_real_time_while_skipping_is_disabled(sim: Simulation) -> None:
    async with sim.worker(workflows=[Sleeper]):
        with sim.auto_time_skipping_disabled():
            began = time.monotonic()
            await sim.client.execute_workflow(
                Sleeper.run, 0.1, id="real", task_queue=sim.task_queue
            )
            assert time.monotonic() - began >= 0.1
        await sim.client.execute_workflow(
            Sleeper.run, 3600, id="skipped", task_queue=sim.task_queue
        )
    assert timedelta(hours=1) < sim.elapsed < timedelta(hours=2)


async def test_sleep_skips_time_even_while_skipping_is_disabled(sim: Simulation) -> None:
    async with sim.worker(workflows=[Inbox]):
        with sim.auto_time_skipping_disabled(), sim.auto_time_skipping_disabled():
            handle = await sim.client.start_workflow(
                Inbox.run, "end", id="inbox", task_queue=sim.task_queue
            )
            await sim.sleep(DAY)
            await handle.signal(Inbox.post, "end")
            (_, when), *_ = await handle.result()
    assert DAY.total_seconds() <= when - datetime(2024, 1, 1, tzinfo=timezone.utc).timestamp()
    assert DAY <= sim.elapsed < DAY + timedelta(hours=1)


async def test_what_no_timer_brings_is_told_although_skipping_is_disabled(sim: Simulation) -> None:
    async with sim.worker(workflows=[Inbox]):
        with sim.auto_time_skipping_disabled(), pytest.raises(SimulationStuck):
            await sim.client.execute_workflow(
                Inbox.run, "never", id="inbox", task_queue=sim.task_queue
            )


def test_unknown_clock_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no clock 'sand'"):
        Simulation(clock="sand")  # type: ignore[arg-type]
