"""A real worker with the plugin: heartbeats, cancellation, outcomes, shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.api.workflowservice import v1
from temporalio.client import Client
from temporalio.worker import Worker

from tests.activity_time.activity_service import ActivityService
from tests.activity_time.idle_clock import IdleClock
from timeskip.activity_time import ActivityTime, VirtualSleepInterruptedError

pytestmark = pytest.mark.asyncio

COMPLETED = v1.RespondActivityTaskCompletedRequest
FAILED = v1.RespondActivityTaskFailedRequest
CANCELED = v1.RespondActivityTaskCanceledRequest


class Bench:
    """A service, a clock, and workers between them."""

    def __init__(self, clock: IdleClock) -> None:
        self.clock = clock
        self.time = ActivityTime(clock, clock)
        self.service = ActivityService(
            lambda token, cancels: self.time.heartbeat_answered(token, cancels=cancels)
        )

    @contextlib.asynccontextmanager
    async def worker(self, *activities: Callable[..., Any]) -> AsyncIterator[Worker]:
        client = await Client.connect(self.service.target, plugins=[self.time])
        with ThreadPoolExecutor(max_workers=2) as executor:
            worker = Worker(
                client,
                task_queue="orders",
                activities=activities,
                activity_executor=executor,
                max_concurrent_activities=2,
                max_concurrent_activity_task_polls=1,
            )
            async with worker:
                yield worker

    async def outcome_of(self, activity_function: Callable[..., Any]) -> Any:
        """What a worker reports of one run of the activity."""
        async with self.worker(activity_function):
            self.service.schedule(activity_function.__name__)
            return await asyncio.to_thread(self.service.outcome)


@pytest_asyncio.fixture
async def bench(clock: IdleClock) -> AsyncIterator[Bench]:
    made = Bench(clock)
    yield made
    made.time.close()
    made.service.stop()


@activity.defn
async def beat_and_sleep() -> None:
    for number in range(20):
        activity.heartbeat(number)
        await asyncio.sleep(10)


@activity.defn
def beat_and_sleep_in_a_thread() -> None:
    for number in range(20):
        activity.heartbeat(number)
        time.sleep(10)


@pytest.mark.parametrize("beat", [beat_and_sleep, beat_and_sleep_in_a_thread])
async def test_every_heartbeat_arrives_before_time_moves(
    bench: Bench, beat: Callable[[], Any]
) -> None:
    heard: list[float] = []
    answered = bench.service.heartbeat_answered

    def note(token: bytes, cancels: bool) -> None:
        heard.append(bench.clock.elapsed)
        answered(token, cancels)

    bench.service.heartbeat_answered = note
    assert isinstance(await bench.outcome_of(beat), COMPLETED)
    assert bench.service.heartbeat_details() == list(range(20))
    assert heard == [10 * number for number in range(20)]
    assert bench.clock.elapsed == 200


@activity.defn
async def beat_often() -> None:
    for number in range(1000):
        activity.heartbeat(number)
    await asyncio.sleep(10)
    activity.heartbeat("last")
    await asyncio.sleep(10)


async def test_heartbeats_of_one_instant_are_thinned(bench: Bench) -> None:
    await bench.outcome_of(beat_often)
    assert bench.service.heartbeat_details() == [0, 999, "last"]
    assert bench.clock.elapsed == 20


async def test_heartbeat_under_way_holds_the_clock(bench: Bench) -> None:
    bench.service.heartbeats_go_on.clear()
    async with bench.worker(beat_and_sleep):
        bench.service.schedule("beat_and_sleep")
        await asyncio.to_thread(bench.clock.wait_until, lambda: bench.clock.pending() > 0)
        await asyncio.sleep(0.05)
        assert bench.clock.elapsed == 0
        assert list(bench.time.working().values()) == [
            "the server has not heard its latest heartbeat"
        ]
        bench.service.heartbeats_go_on.set()
        await asyncio.to_thread(bench.service.outcome)


@activity.defn
async def beat_and_fail() -> None:
    for number in range(10):
        activity.heartbeat(number)
    raise ValueError("no more")


@activity.defn
def beat_and_fail_in_a_thread() -> None:
    for number in range(10):
        activity.heartbeat(number)
    raise ValueError("no more")


@pytest.mark.parametrize("beat", [beat_and_fail, beat_and_fail_in_a_thread])
async def test_last_details_come_with_the_failure(bench: Bench, beat: Callable[[], Any]) -> None:
    outcome = await bench.outcome_of(beat)
    assert isinstance(outcome, FAILED)
    assert [payload.data for payload in outcome.last_heartbeat_details.payloads] == [b"9"]
    assert bench.clock.outcome_follows == [True]


@activity.defn
async def beat_until_cancelled() -> None:
    for number in range(100):
        activity.heartbeat(number)
        await asyncio.sleep(10)


@activity.defn
def beat_until_cancelled_in_a_thread() -> None:
    for number in range(100):
        activity.heartbeat(number)
        time.sleep(10)


@pytest.mark.parametrize(
    ("beat", "cancelled_after"),
    [(beat_until_cancelled, 20), (beat_until_cancelled_in_a_thread, 30)],
)
async def test_cancellation_arrives_at_the_next_heartbeat(
    bench: Bench, beat: Callable[[], Any], cancelled_after: float
) -> None:
    """In a thread when its sleep ends: as in production, no exception interrupts `time.sleep`."""
    answered = bench.service.heartbeat_answered

    def cancel_third(token: bytes, cancels: bool) -> None:
        bench.service.cancel_requested = len(bench.service.heartbeat_details()) == 3
        answered(token, bench.service.cancel_requested)

    bench.service.heartbeat_answered = cancel_third
    assert isinstance(await bench.outcome_of(beat), CANCELED)
    assert bench.service.heartbeat_details() == [0, 1, 2]
    assert bench.clock.elapsed == cancelled_after


@activity.defn(no_thread_cancel_exception=True)
def ignore_cancellation() -> None:
    for number in range(5):
        activity.heartbeat(number)
        time.sleep(10)
    assert activity.is_cancelled()


async def test_ignored_cancellation_does_not_hold_the_clock(bench: Bench) -> None:
    bench.service.cancel_requested = True
    assert isinstance(await bench.outcome_of(ignore_cancellation), COMPLETED)
    assert bench.clock.elapsed == 50


@activity.defn
async def beat_the_unspeakable() -> None:
    activity.heartbeat(object())
    await asyncio.sleep(10)


async def test_heartbeat_that_cannot_be_sent_does_not_hold_the_clock(bench: Bench) -> None:
    outcome = await bench.outcome_of(beat_the_unspeakable)
    assert isinstance(outcome, FAILED)
    assert "not JSON serializable" in outcome.failure.message


@activity.defn
async def leave_to_others() -> None:
    await asyncio.sleep(5)
    activity.raise_complete_async()


async def test_activity_that_others_complete(bench: Bench) -> None:
    async with bench.worker(leave_to_others):
        bench.service.schedule("leave_to_others")
        await asyncio.to_thread(
            bench.clock.wait_until, lambda: bench.clock.outcome_follows == [False]
        )
    assert bench.clock.running == {}


outcomes: list[BaseException] = []


@activity.defn
def sleep_for_long() -> None:
    try:
        time.sleep(3600)
    except BaseException as error:
        outcomes.append(error)
        raise


@activity.defn(no_thread_cancel_exception=True)
def sleep_for_long_uncancelled() -> None:
    sleep_for_long()


@pytest.mark.parametrize(
    ("sleeper", "error"),
    [
        (sleep_for_long, "CancelledError"),
        (sleep_for_long_uncancelled, VirtualSleepInterruptedError.__name__),
    ],
)
async def test_worker_shutdown_wakes_a_sleeping_thread(
    bench: Bench, sleeper: Callable[[], None], error: str
) -> None:
    outcomes.clear()
    bench.clock.stop()
    async with bench.worker(sleeper):
        bench.service.schedule(sleeper.__name__)
        await asyncio.to_thread(bench.clock.wait_until, lambda: bench.clock.pending() > 0)
    assert [type(outcome).__name__ for outcome in outcomes] == [error]
    assert bench.clock.pending() == 0


async def test_closed_simulation_wakes_a_sleeping_thread(bench: Bench) -> None:
    outcomes.clear()
    bench.clock.stop()
    async with bench.worker(sleep_for_long):
        bench.service.schedule("sleep_for_long")
        await asyncio.to_thread(bench.clock.wait_until, lambda: bench.clock.pending() > 0)
        bench.time.close()
        await asyncio.to_thread(bench.service.outcome)
    (error,) = outcomes
    assert str(error) == ("sleep_for_long (1, attempt 1): its simulation was closed while it slept")
