"""Activities that ask the client from threads, for what may take virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow

from tests.simulation.workflows import Sleeper
from timeskip import Simulation

pytestmark = [pytest.mark.both_lanes, pytest.mark.asyncio]

DAY = timedelta(days=1)

#: What an activity does with the simulation, on the event loop of the test and its worker.
Ask = Callable[[Simulation, asyncio.AbstractEventLoop], Any]


@workflow.defn
class Asker:
    @workflow.run
    async def run(self) -> bool:
        held: bool = await workflow.execute_activity(
            "ask", result_type=bool, start_to_close_timeout=timedelta(days=7)
        )
        return held


async def sleeps_a_day(sim: Simulation) -> None:
    await sim.client.execute_workflow(
        Sleeper.run, DAY.total_seconds(), id="sleeper", task_queue=sim.task_queue
    )


def on_a_loop_of_its_own(sim: Simulation, _: asyncio.AbstractEventLoop) -> bool:
    asyncio.run(sleeps_a_day(sim))
    return sim.elapsed == DAY


def on_the_loop_of_the_test(sim: Simulation, loop: asyncio.AbstractEventLoop) -> bool:
    asyncio.run_coroutine_threadsafe(sleeps_a_day(sim), loop).result()
    return sim.elapsed == DAY


def two_after_each_other(sim: Simulation, loop: asyncio.AbstractEventLoop) -> bool:
    on_a_loop_of_its_own(sim, loop)
    on_a_loop_of_its_own(sim, loop)
    return sim.elapsed == 2 * DAY


def beside_its_work(sim: Simulation, loop: asyncio.AbstractEventLoop) -> bool:
    """Time stands still until the thread waits for the answer."""
    asked = asyncio.run_coroutine_threadsafe(sleeps_a_day(sim), loop)
    sum(number * number for number in range(1_000_000))
    was_held = sim.elapsed == timedelta()
    asked.result()
    return was_held


async def outcome(sim: Simulation, ask: Callable[..., Any]) -> bool:
    async with sim.worker(workflows=[Asker, Sleeper], activities=[ask]):
        held: bool = await sim.client.execute_workflow(
            Asker.run, id="asker", task_queue=sim.task_queue
        )
        return held


@pytest.mark.parametrize(
    "ask",
    [on_a_loop_of_its_own, on_the_loop_of_the_test, two_after_each_other, beside_its_work],
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "to_thread"])
async def test_time_passes_while_threads_wait_for_an_answer(
    sim: Simulation, ask: Ask, is_async: bool
) -> None:
    loop = asyncio.get_running_loop()

    @activity.defn(name="ask")
    def in_its_thread() -> bool:
        return bool(ask(sim, loop))

    @activity.defn(name="ask")
    async def in_another() -> bool:
        return bool(await asyncio.to_thread(ask, sim, loop))

    assert await outcome(sim, in_another if is_async else in_its_thread)


async def test_answer_that_nobody_waits_for_any_more_holds_nobody_up(sim: Simulation) -> None:
    loop = asyncio.get_running_loop()

    @activity.defn(name="ask")
    async def leave_it() -> bool:
        await asyncio.to_thread(asyncio.run_coroutine_threadsafe, sleeps_a_day(sim), loop)
        await asyncio.sleep(3 * DAY.total_seconds())
        return True

    assert await outcome(sim, leave_it)
    assert sim.elapsed == 3 * DAY
