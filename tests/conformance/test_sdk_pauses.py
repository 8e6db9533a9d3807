"""Pauses and resets as the SDK's own worker and client see them."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, CancelledError

from tests.conformance.operations import pause, pause_run, reset, unpause, unpause_run
from tests.conformance.scenario import scenario
from tests.conformance.test_sdk_workers import observe_outcome, run_of, start
from tests.conformance.world import Run, World

VIRTUAL = "ours waits in virtual time; histories and results tell no difference"


def told() -> str:
    """What the SDK knows of the reason why the activity is to stop."""
    details = activity.cancellation_details()
    assert details is not None
    return ", ".join(name for name, holds in vars(details).items() if holds)


@activity.defn
async def pack(ends: bool) -> str:
    """Heartbeats until it is told to stop; then it ends, or its attempt fails. Later ones end."""
    if activity.info().attempt > 1:
        return f"packed at last, having come to {activity.info().heartbeat_details}"
    try:
        while True:
            activity.heartbeat("box", 1)
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        if ends:
            return f"stopped: {told()}"
        raise


@activity.defn
def pack_in_a_thread() -> str:
    """The same in a thread."""
    try:
        while True:
            activity.heartbeat("box", 1)
            time.sleep(0.1)
    except CancelledError:
        return f"stopped: {told()}"


@activity.defn
async def pack_again() -> str:
    """Fails at once; the second attempt heartbeats until it is told to stop. The one after it ends."""
    if activity.info().attempt == 1:
        raise ApplicationError("the box was too small")
    if activity.info().heartbeat_details:
        return "packed at last"
    try:
        while True:
            activity.heartbeat("second box")
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        return f"nobody hears this: {told()}"


@workflow.defn
class PausablePacking:
    @workflow.run
    async def run(self, name: str, *args: bool) -> str:
        result: str = await workflow.execute_activity(
            name,
            args=args,
            activity_id="a",
            start_to_close_timeout=timedelta(seconds=3),
            heartbeat_timeout=timedelta(seconds=1),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100)),
        )
        return result


@workflow.defn
class PausableOrder:
    """Waits for a signal that says how it ends."""

    def __init__(self) -> None:
        self._end = ""

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: bool(self._end))
        return self._end

    @workflow.signal
    def finish(self, end: str) -> None:
        self._end = end

    @workflow.query
    def end(self) -> str:
        return self._end


ACTIVITIES = [pack, pack_again]


async def until_heartbeat(world: World, run: Run, details: str = "box") -> None:
    """Wait until the server has heard of these details."""
    await world.until_activity(
        run, lambda each: any(details in str(each.data) for each in each.heartbeat_details.payloads)
    )


@scenario("rpc:PauseActivity", "rpc:UnpauseActivity", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_paused_activity_begins_again_when_it_is_unpaused(world: World) -> None:
    async with world.worker(workflows=[PausablePacking], activities=ACTIVITIES):
        handle = await start(world, PausablePacking.run, "pack", False)
        run = run_of(handle)
        await until_heartbeat(world, run)
        await pause(world, run, reason="no boxes")
        await world.pass_time(1.5)
        await world.until_activity(run, lambda each: each.attempt == 2)
        world.observe("paused", await world.describe(run))
        await unpause(world, run)
        await observe_outcome(world, handle)


@scenario("rpc:PauseActivity", clock="virtual", differs=VIRTUAL)
async def test_sdk_an_activity_is_told_of_its_pause(world: World) -> None:
    async with world.worker(workflows=[PausablePacking], activities=ACTIVITIES):
        handle = await start(world, PausablePacking.run, "pack", True)
        await until_heartbeat(world, run_of(handle))
        await pause(world, run_of(handle))
        await observe_outcome(world, handle)


@scenario("rpc:PauseActivity", clock="virtual", differs=VIRTUAL)
async def test_sdk_an_activity_in_a_thread_is_told_of_its_pause(world: World) -> None:
    with ThreadPoolExecutor(1) as threads:
        async with world.worker(
            workflows=[PausablePacking],
            activities=[pack_in_a_thread],
            activity_executor=threads,
        ):
            handle = await start(world, PausablePacking.run, "pack_in_a_thread")
            await until_heartbeat(world, run_of(handle))
            await pause(world, run_of(handle))
            await observe_outcome(world, handle)


@scenario("rpc:ResetActivity", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_reset_activity_begins_again(world: World) -> None:
    async with world.worker(workflows=[PausablePacking], activities=ACTIVITIES):
        handle = await start(world, PausablePacking.run, "pack", False)
        await until_heartbeat(world, run_of(handle))
        await reset(world, run_of(handle), reset_heartbeat=True)
        await observe_outcome(world, handle)


@scenario("rpc:ResetActivity", clock="virtual", differs=VIRTUAL)
async def test_sdk_an_activity_is_told_of_its_reset(world: World) -> None:
    async with world.worker(workflows=[PausablePacking], activities=ACTIVITIES):
        handle = await start(world, PausablePacking.run, "pack", True)
        await until_heartbeat(world, run_of(handle))
        await reset(world, run_of(handle))
        await observe_outcome(world, handle)


@scenario("rpc:ResetActivity", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_later_attempt_is_cut_off_by_a_reset(world: World) -> None:
    async with world.worker(workflows=[PausablePacking], activities=ACTIVITIES):
        handle = await start(world, PausablePacking.run, "pack_again")
        await world.pass_time(1)
        await until_heartbeat(world, run_of(handle), "second")
        await reset(world, run_of(handle))
        await observe_outcome(world, handle)


@scenario(
    "rpc:PauseWorkflowExecution",
    "rpc:UnpauseWorkflowExecution",
    clock="virtual",
    differs=VIRTUAL,
)
async def test_sdk_a_workflow_is_paused(world: World) -> None:
    async with world.worker(workflows=[PausableOrder]):
        handle = await start(world, PausableOrder.run)
        world.observe("before", await handle.query(PausableOrder.end))
        await pause_run(world, run_of(handle))
        await world.observe_error("query", handle.query(PausableOrder.end))
        await world.observe_error("describe", handle.describe())
        await handle.signal(PausableOrder.finish, "sold")
        await unpause_run(world, run_of(handle))
        await observe_outcome(world, handle)
