"""The test service: locks on time, sleeps and the current time, compared with the Java server."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio import service, workflow
from temporalio.api.testservice.v1 import (
    LockTimeSkippingRequest,
    SleepRequest,
    SleepUntilRequest,
    UnlockTimeSkippingRequest,
)
from temporalio.service import RPCError

from tests import time_skipping_environment
from tests.conformance.scenario import options, scenario
from tests.conformance.world import World

HOUR = 3600
SECOND_NS = 10**9


class TimeService:
    """The test service's RPCs, with seconds for their messages."""

    def __init__(self, test_service: service.TestService) -> None:
        self._service = test_service

    async def lock(self) -> Message:
        return await self._service.lock_time_skipping(LockTimeSkippingRequest())

    async def unlock(self) -> Message:
        return await self._service.unlock_time_skipping(UnlockTimeSkippingRequest())

    async def sleep(self, seconds: int) -> Message:
        return await self._service.sleep(SleepRequest(duration=Duration(seconds=seconds)))

    async def sleep_until(self, nanoseconds: int) -> Message:
        timestamp = Timestamp()
        timestamp.FromNanoseconds(nanoseconds)
        return await self._service.sleep_until(SleepUntilRequest(timestamp=timestamp))

    async def unlock_with_sleep(self, seconds: int) -> Message:
        return await self._service.unlock_time_skipping_with_sleep(
            SleepRequest(duration=Duration(seconds=seconds))
        )

    async def now(self) -> int:
        """The current time in nanoseconds since the epoch."""
        return (await self._service.get_current_time(Empty())).time.ToNanoseconds()


@workflow.defn
class Nap:
    """Sleeps and tells how long that was."""

    @workflow.run
    async def run(self, seconds: int) -> int:
        """The seconds that have passed."""
        began = workflow.now()
        await workflow.sleep(timedelta(seconds=seconds))
        return round((workflow.now() - began).total_seconds())


@scenario(
    "rpc:UnlockTimeSkippingWithSleep",
    "rpc:GetCurrentTime",
    *options("SleepRequest", "duration"),
    clock="virtual",
    real="test server",
)
async def test_time_is_skipped_by_the_length_of_a_sleep(world: World) -> None:
    time = TimeService(world.client.test_service)
    before = await time.now()
    world.observe("answer", await time.unlock_with_sleep(HOUR))
    world.observe("hours passed", (await time.now() - before) // (HOUR * SECOND_NS))
    await time.unlock_with_sleep(2 * HOUR)
    world.observe("and then", (await time.now() - before) // (HOUR * SECOND_NS))


@scenario(
    "rpc:LockTimeSkipping",
    "rpc:UnlockTimeSkipping",
    "rpc:Sleep",
    clock="virtual",
    real="test server",
)
async def test_unlocked_time_is_skipped_by_whoever_sleeps(world: World) -> None:
    time = TimeService(world.client.test_service)
    world.observe("unlocked", await time.unlock())
    before = await time.now()
    world.observe("slept", await time.sleep(HOUR))
    world.observe("hours passed", (await time.now() - before) // (HOUR * SECOND_NS))
    world.observe("locked", await time.lock())


@scenario("rpc:LockTimeSkipping", "rpc:Sleep", clock="virtual", real="test server")
async def test_locked_time_keeps_the_pace_of_the_machine(world: World) -> None:
    time = TimeService(world.client.test_service)
    await time.unlock()
    await time.lock()
    loop = asyncio.get_running_loop()
    began, before = loop.time(), await time.now()
    world.observe("slept", await time.sleep(1))
    world.observe("no less than the machine", loop.time() - began > 0.9)
    await asyncio.sleep(1)
    world.observe("whoever waits", 1.9 < (await time.now() - before) / SECOND_NS < HOUR)


@scenario(
    "rpc:LockTimeSkipping", "rpc:UnlockTimeSkippingWithSleep", clock="virtual", real="test server"
)
async def test_another_lock_holds_time_during_a_sleep(world: World) -> None:
    time = TimeService(world.client.test_service)
    await time.lock()
    loop = asyncio.get_running_loop()
    began = loop.time()
    world.observe("slept", await time.unlock_with_sleep(1))
    world.observe("as long as the machine", loop.time() - began > 0.9)
    await time.unlock()
    before = await time.now()
    await time.unlock_with_sleep(HOUR)
    world.observe("one lock less", (await time.now() - before) // (HOUR * SECOND_NS))


@scenario("rpc:Sleep", "rpc:UnlockTimeSkipping", clock="virtual", real="test server")
async def test_unlocking_ends_the_sleeps_of_others(world: World) -> None:
    time = TimeService(world.client.test_service)
    await time.lock()
    before = await time.now()
    sleeping = [asyncio.create_task(time.sleep(hours * HOUR)) for hours in (2, 1)]
    await time.unlock()
    await asyncio.sleep(0.3)
    world.observe("one lock is left", [task.done() for task in sleeping])
    await time.unlock()
    world.observe("slept", [type(await task).__name__ for task in sleeping])
    world.observe("hours passed", (await time.now() - before) // (HOUR * SECOND_NS))


@scenario(
    "rpc:SleepUntil",
    *options("SleepUntilRequest", "timestamp"),
    clock="virtual",
    real="test server",
)
async def test_a_sleep_until_an_instant(world: World) -> None:
    time = TimeService(world.client.test_service)
    before = await time.now()
    await time.unlock()
    world.observe("slept", await time.sleep_until(before + HOUR * SECOND_NS))
    world.observe("hours passed", (await time.now() - before) // (HOUR * SECOND_NS))
    world.observe("in the past", await time.sleep_until(before))
    world.observe("hours passed then", (await time.now() - before) // (HOUR * SECOND_NS))


@scenario(
    "rpc:Sleep",
    "rpc:SleepUntil",
    "rpc:UnlockTimeSkippingWithSleep",
    clock="virtual",
    real="test server",
)
async def test_sleeps_of_no_length_end_at_once(world: World) -> None:
    bare = world.client.test_service
    time = TimeService(bare)
    world.observe("sleep for nothing", await bare.sleep(SleepRequest()))
    world.observe("sleep until nothing", await bare.sleep_until(SleepUntilRequest()))
    world.observe("sleep back", await time.sleep(-5))
    world.observe("unlock for nothing", await time.unlock_with_sleep(0))
    world.observe("unlock back", await time.unlock_with_sleep(-5))
    odd = SleepUntilRequest(timestamp=Timestamp(seconds=1, nanos=-5))
    world.observe("an odd instant", await bare.sleep_until(odd))


@scenario(
    "rpc:UnlockTimeSkipping",
    differs="the Java server notices one unlocking too late, and says no word about it",
    clock="virtual",
    real="test server",
)
async def test_more_cannot_be_unlocked_than_is_locked(world: World) -> None:
    time = TimeService(world.client.test_service)
    try:
        for _ in range(4):
            await time.unlock()
    except RPCError as refused:
        world.observe("refused with", refused.status.name)


@scenario("rpc:UnlockTimeSkipping", "rpc:LockTimeSkipping", clock="virtual", real="test server")
async def test_the_environment_of_the_sdk_skips_time(world: World) -> None:
    environment = time_skipping_environment.around(world.client)
    client = environment.client
    world.observe("skips", environment.supports_time_skipping)
    async with world.worker(workflows=[Nap]):
        before = await environment.get_current_time()
        nap = await client.start_workflow(
            Nap.run, 30 * HOUR, id=world.unique("nap"), task_queue=world.task_queue
        )
        world.observe("slept", await nap.result())
        await environment.sleep(timedelta(hours=10))
        passed = await environment.get_current_time() - before
        world.observe("hours passed", passed // timedelta(hours=1))
        with environment.auto_time_skipping_disabled():
            short = await client.start_workflow(
                Nap.run, 1, id=world.unique("short nap"), task_queue=world.task_queue
            )
            world.observe("at the machine's pace", await short.result())
        naps = [
            await client.start_workflow(
                Nap.run, hours * HOUR, id=world.unique(f"nap-{hours}"), task_queue=world.task_queue
            )
            for hours in (3, 1, 2)
        ]
        world.observe("one after the other", [await nap.result() for nap in naps])
