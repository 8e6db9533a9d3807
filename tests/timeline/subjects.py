"""Workflows whose histories, between them, hold most of what a timeline has a word for."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError

TIMEOUT = timedelta(seconds=10)
DISTRICT = SearchAttributeKey.for_keyword("District")


@activity.defn
async def lay_table(guests: int) -> dict[str, int]:
    return {"plates": guests, "glasses": 2 * guests}


@activity.defn
async def light_candles(count: int) -> None:
    if activity.info().attempt < 3:
        raise ConnectionError("draught:\n\tall the candles went out")


@activity.defn
async def roast_goose(weight: float) -> None:
    raise ApplicationError("the oven is cold", type="ColdOven", non_retryable=True)


@activity.defn
async def wait_for_guest(name: str) -> None:
    with suppress(asyncio.CancelledError):
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.05)
    raise asyncio.CancelledError


@workflow.defn
class Dinner:
    """Everything that goes well, and some things that do not."""

    def __init__(self) -> None:
        self._guests: list[str] = []

    @workflow.run
    async def run(self, guests: int) -> str:
        workflow.patched("use-the-good-plates")
        await workflow.execute_activity(lay_table, guests, start_to_close_timeout=TIMEOUT)
        await workflow.execute_local_activity(lay_table, 1, start_to_close_timeout=TIMEOUT)
        await workflow.execute_activity(
            light_candles,
            4,
            start_to_close_timeout=TIMEOUT,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)),
        )
        with suppress(ActivityError):
            await workflow.execute_activity(roast_goose, 4.5, start_to_close_timeout=TIMEOUT)
        waiting = workflow.start_activity(
            wait_for_guest, "Ada", start_to_close_timeout=TIMEOUT, heartbeat_timeout=TIMEOUT
        )
        await workflow.wait_condition(lambda: len(self._guests) == 2, timeout=timedelta(hours=2))
        waiting.cancel()
        with suppress(ActivityError):
            await waiting
        course = await workflow.start_child_workflow(Course.run, "soup", id="course-soup")
        await course.signal(Course.serve, "hot")
        await course
        workflow.upsert_search_attributes([DISTRICT.value_set("Marais")])
        workflow.upsert_memo({"wine": "red"})
        await workflow.sleep(timedelta(milliseconds=40), summary="digest")
        return "all well"

    @workflow.signal
    def arrive(self, name: str) -> None:
        self._guests.append(name)

    @workflow.update
    def announce(self, name: str) -> int:
        self._guests.append(name)
        return len(self._guests)


@workflow.defn
class Course:
    def __init__(self) -> None:
        self._served = False

    @workflow.run
    async def run(self, dish: str) -> str:
        await workflow.wait_condition(lambda: self._served)
        return f"{dish} eaten"

    @workflow.signal
    def serve(self, how: str) -> None:
        self._served = True


@workflow.defn
class Feast:
    """Fails because what it waits for failed."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(roast_goose, 4.5, start_to_close_timeout=TIMEOUT)


@workflow.defn
class Chimes:
    """The same two steps over and over, until it is time to go on with a new history."""

    @workflow.run
    async def run(self, strokes: int) -> None:
        for _ in range(strokes):
            await workflow.sleep(timedelta(milliseconds=10))
            await workflow.execute_activity(lay_table, 1, start_to_close_timeout=TIMEOUT)
        workflow.continue_as_new(strokes)


@workflow.defn
class Vigil:
    """Stays open: waits for a timer and for an activity whose task queue nobody polls."""

    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(
            workflow.sleep(timedelta(days=30)),
            workflow.execute_activity(
                light_candles, 1, task_queue="nobody", start_to_close_timeout=TIMEOUT
            ),
        )


@workflow.defn
class Slip:
    """Fails its workflow task: the exception is not one of Temporal's."""

    @workflow.run
    async def run(self) -> None:
        raise KeyError("banana skin")
