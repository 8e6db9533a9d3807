"""`now`, `elapsed`, `sleep`, `at`, `run_until`: everything acts at exact virtual instants."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest
from temporalio.api.enums.v1 import RetryState
from temporalio.client import WorkflowHandle

from tests.simulation.workflows import Greeter, Heartbeat, Inbox, Sleeper, greet
from timeskip import Simulation

pytestmark = pytest.mark.both_lanes

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


async def inbox(
    sim: Simulation, last: str = "end"
) -> WorkflowHandle[Inbox, list[tuple[str, float]]]:
    return await sim.client.start_workflow(
        Inbox.run, last, id=f"inbox-{last}", task_queue=sim.task_queue
    )


async def heartbeat(
    sim: Simulation, every: timedelta, times: int
) -> WorkflowHandle[Heartbeat, int]:
    return await sim.client.start_workflow(
        Heartbeat.run,
        args=[every.total_seconds(), times],
        id="heartbeat",
        task_queue=sim.task_queue,
    )


def since_start(arrivals: list[tuple[str, float]]) -> list[tuple[str, timedelta]]:
    began = START.timestamp()
    return [(text, timedelta(seconds=when - began)) for text, when in arrivals]


async def test_time_starts_at_a_fixed_instant_and_stands_still(sim: Simulation) -> None:
    assert sim.now == START
    assert sim.elapsed == timedelta(0)
    await asyncio.sleep(0)
    assert sim.now == START


async def test_sleep_takes_exactly_as_long_as_asked(sim: Simulation) -> None:
    await sim.sleep(timedelta(days=365, microseconds=1))
    assert sim.elapsed == timedelta(days=365, microseconds=1)


async def test_sleep_takes_seconds_as_well(sim: Simulation) -> None:
    await sim.sleep(0.25)
    assert sim.elapsed == timedelta(milliseconds=250)


@pytest.mark.parametrize("seconds", [0, -1])
async def test_sleep_of_no_time_moves_no_time(sim: Simulation, seconds: float) -> None:
    await sim.sleep(seconds)
    assert sim.now == START


async def test_sleep_of_no_time_lets_everything_happen_that_can(sim: Simulation) -> None:
    async with sim.worker(workflows=[Inbox]):
        handle = await inbox(sim)
        await handle.signal(Inbox.post, "end")
        await sim.sleep(0)
        assert [run.status.name for run in sim.runs] == ["COMPLETED"]
    assert sim.now == START


async def test_cancelled_sleep_leaves_nothing_due(sim: Simulation) -> None:
    sleeping = asyncio.create_task(sim.sleep(DAY))
    await asyncio.sleep(0)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    jumps: list[datetime] = []
    sim.at(2 * DAY, lambda: jumps.append(sim.now))
    await sim.run_until(lambda: bool(jumps))
    assert jumps == [START + 2 * DAY]


async def test_current_time_is_virtual(sim: Simulation) -> None:
    await sim.sleep(DAY)
    assert await sim.get_current_time() == START + DAY == sim.now


async def test_workflow_sleeps_exactly(sim: Simulation) -> None:
    async with sim.worker(workflows=[Sleeper]):
        woke = await sim.client.execute_workflow(
            Sleeper.run, 86_400.5, id="sleeper", task_queue=sim.task_queue
        )
    assert woke == START.timestamp() + 86_400.5
    assert sim.elapsed == timedelta(seconds=86_400.5)


async def test_thousand_sleepers_wake_each_at_its_own_time(sim: Simulation) -> None:
    lengths = [(number * 7919) % 1000 * 3600.0 + number for number in range(1000)]
    async with sim.worker(workflows=[Sleeper]):
        woke = await asyncio.gather(
            *(
                sim.client.execute_workflow(
                    Sleeper.run, length, id=f"sleeper-{number}", task_queue=sim.task_queue
                )
                for number, length in enumerate(lengths)
            )
        )
    assert woke == [START.timestamp() + length for length in lengths]
    assert sim.elapsed == timedelta(seconds=max(lengths))


async def test_several_tasks_of_the_test_sleep_side_by_side(sim: Simulation) -> None:
    async def nap(length: timedelta) -> datetime:
        await sim.sleep(length)
        return sim.now

    woke = await asyncio.gather(nap(3 * DAY), nap(DAY), nap(2 * DAY))
    assert list(woke) == [START + 3 * DAY, START + DAY, START + 2 * DAY]


async def test_background_wait_does_not_move_time_between_two_steps_of_the_test(
    sim: Simulation,
) -> None:
    async with sim.worker(workflows=[Inbox, Sleeper]):
        handle = await inbox(sim)
        background = asyncio.create_task(handle.result())
        distraction = asyncio.create_task(
            sim.client.execute_workflow(Sleeper.run, 60, id="other", task_queue=sim.task_queue)
        )
        await asyncio.sleep(0)
        began = sim.now
        for number in range(20):
            await handle.signal(Inbox.post, f"text {number}")
            await handle.query(Inbox.texts)
            await handle.describe()
            assert sim.now == began
        await handle.signal(Inbox.post, "end")
        arrivals = await background
        await distraction
    assert {when for _, when in arrivals} == {began.timestamp()}


async def test_background_wait_does_not_move_time_after_a_real_pause(sim: Simulation) -> None:
    async with sim.worker(workflows=[Heartbeat]):
        handle = await heartbeat(sim, MINUTE, 300)
        background = asyncio.create_task(handle.result())
        for _ in range(20):
            await asyncio.sleep(0.002)
            began = sim.now
            total = sum(number * number for number in range(50_000))
            assert total
            assert sim.now == began
            await handle.describe()
            assert sim.now == began
        await background


async def test_action_happens_at_its_instant(sim: Simulation) -> None:
    async with sim.worker(workflows=[Inbox]):
        handle = await inbox(sim)
        sim.at(timedelta(days=3), handle.signal, Inbox.post, "after three days")
        sim.at(START + timedelta(hours=36), handle.signal, Inbox.post, "at a day and a half")
        sim.at(timedelta(days=3, microseconds=1), handle.signal, Inbox.post, "end")
        arrivals = await handle.result()
    assert since_start(arrivals) == [
        ("at a day and a half", timedelta(hours=36)),
        ("after three days", timedelta(days=3)),
        ("end", timedelta(days=3, microseconds=1)),
    ]


async def test_actions_of_one_instant_happen_in_the_order_they_were_asked_for(
    sim: Simulation,
) -> None:
    seen: list[int] = []
    for number in range(10):
        sim.at(DAY, seen.append, number)
    await sim.sleep(DAY)
    assert seen == list(range(10))


async def test_action_of_the_past_happens_when_the_test_next_waits(sim: Simulation) -> None:
    await sim.sleep(DAY)
    seen: list[datetime] = []
    sim.at(START, lambda: seen.append(sim.now))
    await sim.sleep(0)
    assert seen == [START + DAY]


async def test_action_may_itself_take_virtual_time(sim: Simulation) -> None:
    seen: list[datetime] = []

    async def twice() -> None:
        seen.append(sim.now)
        await sim.sleep(DAY)
        seen.append(sim.now)

    sim.at(DAY, twice)
    await sim.sleep(3 * DAY)
    assert seen == [START + DAY, START + 2 * DAY]


async def test_time_stands_still_while_an_action_does_something_real(sim: Simulation) -> None:
    seen: list[datetime] = []

    async def slow() -> None:
        seen.append(sim.now)
        await asyncio.to_thread(sum, range(100_000))
        seen.append(sim.now)

    sim.at(DAY, slow)
    await sim.sleep(2 * DAY)
    assert seen == [START + DAY, START + DAY]


async def test_error_in_an_action_is_raised_where_the_test_waits(sim: Simulation) -> None:
    async def approve() -> None:
        raise LookupError("no such order")

    sim.at(DAY, approve)
    with pytest.raises(LookupError, match="no such order"):
        await sim.sleep(2 * DAY)
    assert sim.elapsed == DAY


async def test_failing_assertion_in_an_action_fails_the_test(sim: Simulation) -> None:
    async with sim.worker(workflows=[Heartbeat]):
        handle = await heartbeat(sim, DAY, 5)

        async def look() -> None:
            assert await handle.query(Heartbeat.ticks) == 7

        sim.at(timedelta(days=2, hours=12), look)
        with pytest.raises(AssertionError, match="assert 2 == 7"):
            await handle.result()


async def test_action_may_wait_for_a_workflow(sim: Simulation) -> None:
    async with sim.worker(workflows=[Heartbeat]):
        handle = await heartbeat(sim, DAY, 3)
        seen: list[tuple[timedelta, int]] = []

        async def wait() -> None:
            seen.append((sim.elapsed, await handle.result()))

        sim.at(DAY / 2, wait)
        await sim.run_until(lambda: bool(seen))
    assert seen == [(timedelta(hours=12), 3)]
    assert sim.elapsed == 3 * DAY


async def test_run_until_an_instant(sim: Simulation) -> None:
    await sim.run_until(START + DAY)
    assert sim.now == START + DAY
    await sim.run_until(timedelta(hours=1))
    assert sim.now == START + DAY + timedelta(hours=1)


async def test_run_until_a_condition_stops_at_the_first_instant_at_which_it_holds(
    sim: Simulation,
) -> None:
    async with sim.worker(workflows=[Heartbeat]):
        handle = await heartbeat(sim, MINUTE, 100)

        async def has_ticked_seven_times() -> bool:
            return await handle.query(Heartbeat.ticks) >= 7

        await sim.run_until(has_ticked_seven_times)
        assert sim.elapsed == 7 * MINUTE
        assert await handle.query(Heartbeat.ticks) == 7


async def test_run_until_a_condition_that_holds_takes_no_time(sim: Simulation) -> None:
    sim.at(DAY, lambda: None)
    await sim.run_until(lambda: True)
    assert sim.now == START


async def test_run_until_a_condition_that_this_instant_brings_about_takes_no_time(
    sim: Simulation,
) -> None:
    greeted: list[str] = []

    async with sim.worker(workflows=[Greeter], activities=[greet]):
        handle = await sim.client.start_workflow(
            Greeter.run, "Ada", id="greeter", task_queue=sim.task_queue
        )

        async def is_done() -> bool:
            description = await handle.describe()
            greeted.append(str(description.status))
            return description.close_time is not None

        await sim.run_until(is_done)
    assert sim.now == START


@pytest.mark.parametrize("seed", range(4))
def test_chain_ends_before_its_run_of_the_same_end(seed: int) -> None:
    """Whatever order the seed has for what happens at one instant."""
    with Simulation(lane="direct", seed=seed) as sim:

        async def close() -> RetryState.ValueType:
            handle = await sim.client.start_workflow(
                "Sleeper", id="sleeper", task_queue="nobody", execution_timeout=MINUTE
            )
            await sim.sleep(MINUTE)
            closed = (await handle.fetch_history()).events[-1]
            return closed.workflow_execution_timed_out_event_attributes.retry_state

        assert sim.run(close()) == RetryState.RETRY_STATE_TIMEOUT


async def test_naive_instant_is_refused(sim: Simulation) -> None:
    naive = START.replace(tzinfo=None)
    with pytest.raises(ValueError, match="needs an aware datetime"):
        await sim.run_until(naive)
    with pytest.raises(ValueError, match="needs an aware datetime"):
        sim.at(naive, print)


@pytest.mark.timeskip(start_time=datetime(2030, 5, 17, 9, 30, tzinfo=timezone(timedelta(hours=2))))
async def test_start_time_is_chosen(sim: Simulation) -> None:
    assert sim.now == datetime(2030, 5, 17, 7, 30, tzinfo=timezone.utc)
    assert sim.elapsed == timedelta(0)
