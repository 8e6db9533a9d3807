"""Activities of workflows that the SDK's own worker runs: cancelled, beating, told of the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from tests.conformance import errands
from tests.conformance.operations import pause, reset, unpause
from tests.conformance.scenario import scenario
from tests.conformance.test_sdk_workers import observe_outcome, run_of, start
from tests.conformance.world import World

CANCELS = ("command:RequestCancelActivityTask", "event:ActivityTaskCanceled")
HEARTBEATS = "rpc:RecordActivityTaskHeartbeat"


@asynccontextmanager
async def errand_worker(world: World, **options: Any) -> AsyncIterator[None]:
    async with world.worker(workflows=errands.WORKFLOWS, activities=errands.ACTIVITIES, **options):
        yield


CANCELLATION_TYPES = {"try": 0, "wait": 1, "abandon": 2}


@pytest.mark.parametrize("cancellation", CANCELLATION_TYPES)
@pytest.mark.parametrize("when", ["at once", "in its queue", "while it runs"])
@scenario(*CANCELS, clock="virtual")
async def test_sdk_an_activity_is_cancelled(world: World, cancellation: str, when: str) -> None:
    queue = world.unique("nobody") if when == "in its queue" else None
    after = 0.0 if when == "at once" else 0.2
    number = CANCELLATION_TYPES[cancellation]
    async with errand_worker(world):
        handle = await start(world, errands.Cancelling.run, number, queue, after)
        await observe_outcome(world, handle)


@scenario(*CANCELS, clock="virtual")
async def test_sdk_activities_are_cancelled_too_late(world: World) -> None:
    async with errand_worker(world):
        await observe_outcome(world, await start(world, errands.CancelledTwice.run))


@pytest.mark.parametrize("local", [False, True])
@scenario("rpc:PollActivityTaskQueue", clock="virtual")
async def test_sdk_what_an_activity_knows_of_itself(world: World, local: bool) -> None:
    async with errand_worker(world):
        handle = await start(world, errands.Errand.run, "tell_of_itself", [], local)
        await observe_outcome(world, handle)


@pytest.mark.parametrize("how", ["cancelled", "terminated"])
@scenario("event:ActivityTaskTimedOut", clock="virtual")
async def test_sdk_an_activity_ends_as_nobody_expects(world: World, how: str) -> None:
    async with errand_worker(world):
        handle = await start(world, errands.Errand.run, "end_as_nobody_expects", [how])
        await observe_outcome(world, handle)


@scenario(HEARTBEATS, "rpc:RespondActivityTaskFailed", clock="virtual")
async def test_sdk_the_last_heartbeat_is_not_lost(world: World) -> None:
    async with errand_worker(world):
        handle = await start(world, errands.Errand.run, "beat_and_fail", [5])
        await observe_outcome(world, handle)


@scenario(HEARTBEATS, "event:ActivityTaskTimedOut", clock="virtual")
async def test_sdk_an_activity_stops_to_beat(world: World) -> None:
    async with errand_worker(world):
        handle = await start(world, errands.Errand.run, "beat_and_stop", [])
        await observe_outcome(world, handle)


@pytest.mark.parametrize("gracefully", [False, True])
@scenario("rpc:ShutdownWorker", clock="virtual")
async def test_sdk_an_activity_is_told_of_the_end_of_its_worker(
    world: World, gracefully: bool
) -> None:
    grace = timedelta(seconds=30 if gracefully else 0)
    async with world.worker(workflows=errands.WORKFLOWS):
        async with world.worker(activities=errands.ACTIVITIES, graceful_shutdown_timeout=grace):
            handle = await start(world, errands.Errand.run, "wait_for_shutdown", [gracefully])
            await world.until_activity(
                run_of(handle), lambda each: each.HasField("last_heartbeat_time")
            )
        async with world.worker(activities=errands.ACTIVITIES):
            await observe_outcome(world, handle)


@pytest.mark.parametrize("what", ["paused", "reset", "paused and reset"])
@scenario("rpc:PauseActivity", "rpc:UnpauseActivity", "rpc:ResetActivity", clock="virtual")
async def test_sdk_an_activity_is_told_that_it_is(world: World, what: str) -> None:
    async with errand_worker(world):
        handle = await start(world, errands.Errand.run, "beat_until_told", [])
        run = run_of(handle)
        await world.until_activity(run, lambda each: each.HasField("last_heartbeat_time"))
        if "paused" in what:
            await pause(world, run, id="1")
            # It hears of that with its next heartbeat that the SDK sends.
            await world.pass_time(2)
            world.observe("while it is paused", await world.describe(run))
        if "reset" in what:
            await reset(world, run, id="1", keep_paused=True)
        if "paused" in what:
            await unpause(world, run, id="1")
        await observe_outcome(world, handle)


@pytest.mark.parametrize("how", ["eager", "not eager"])
@scenario("event:ActivityTaskStarted", clock="virtual")
async def test_sdk_activities_may_come_with_the_answer(world: World, how: str) -> None:
    async with errand_worker(world, disable_eager_activity_execution=how == "not eager"):
        handle = await start(world, errands.Errand.run, "tell_of_itself", [])
        await observe_outcome(world, handle)
