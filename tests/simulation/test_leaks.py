"""A simulation that has ended leaves nothing behind, however it ended."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import temporalio.client
from temporalio import activity, workflow
from temporalio.client import ClientConfig
from temporalio.plugin import SimplePlugin

from tests.simulation.workflows import Sleeper
from timeskip import Simulation, SimulationClosed
from timeskip.histories.replaying.core import close_replay_thread
from timeskip.lanes.selection import LaneName
from timeskip.server.calls import Call
from timeskip.server.service import Service

HOUR = 3600.0

#: What the SDK's core holds, it lets go of in threads of its own, at the latest while it serves
#: another simulation or two.
_MORE_CYCLES = 20

every_lane = pytest.mark.parametrize("lane", ["wire", "direct"])


@dataclass(frozen=True)
class Census:
    """What there is in this process."""

    threads: Counter[str]
    files: Counter[str]
    objects: Counter[str]

    def beyond(self, other: Census) -> dict[str, int]:
        """What there is more of than in the other census."""
        return {
            **(self.threads - other.threads),
            **(self.files - other.files),
            **(self.objects - other.objects),
        }


def take_census() -> Census:
    # What replays need stays for the next test on purpose, once for the process.
    close_replay_thread()
    gc.collect()
    kinds = (Simulation, Service, asyncio.Task, asyncio.AbstractEventLoop)
    return Census(
        threads=Counter(thread.name.rstrip("-_0123456789") for thread in threading.enumerate()),
        files=Counter(_open_files()),
        objects=Counter(
            kind.__name__
            for each in gc.get_objects()
            for kind in kinds
            if issubclass(type(each), kind)
        ),
    )


def _open_files() -> Iterator[str]:
    """What kind of thing each open file descriptor is, such as "socket" or "anon_inode"."""
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        if descriptor.is_symlink():  # and not the one that listed the directory
            yield str(descriptor.readlink()).partition(":")[0]


class Watcher:
    """Compares what there is with what there was at first."""

    def __init__(self) -> None:
        one_cycle("wire")
        one_cycle("direct")
        self._before = take_census()

    def leftovers(self) -> dict[str, int]:
        """What there is too much of, once everybody has had the chance to let go."""
        beyond = take_census().beyond(self._before)
        for _ in range(_MORE_CYCLES):
            if not beyond:
                break
            one_cycle("wire")
            beyond = take_census().beyond(self._before)
        return beyond


@pytest.fixture
def watcher() -> Watcher:
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("this system does not show open files")
    return Watcher()


def one_cycle(lane: LaneName) -> None:
    """Start a simulation, use its client, and stop it."""

    async def use() -> None:
        async with Simulation(lane=lane) as sim:
            handle = await start_sleeper(sim)
            assert (await handle.describe()).workflow_type == "Sleeper"

    asyncio.run(use())


async def start_sleeper(sim: Simulation) -> temporalio.client.WorkflowHandle[Sleeper, float]:
    return await sim.client.start_workflow(
        Sleeper.run, HOUR, id="sleeper", task_queue=sim.task_queue
    )


@activity.defn
async def nap() -> None:
    await asyncio.sleep(HOUR)


@activity.defn
def doze() -> None:
    time.sleep(HOUR)


@workflow.defn
class Rest:
    """Has an activity run that takes an hour."""

    @workflow.run
    async def run(self, name: str) -> None:
        await workflow.execute_activity(name, start_to_close_timeout=timedelta(days=1))


@every_lane
def test_two_hundred_simulations_leave_nothing_behind(watcher: Watcher, lane: LaneName) -> None:
    for _ in range(200):
        one_cycle(lane)
    assert watcher.leftovers() == {}


@every_lane
def test_simulations_with_workers_leave_nothing_behind(watcher: Watcher, lane: LaneName) -> None:
    async def use() -> None:
        async with Simulation(lane=lane) as sim, sim.worker(workflows=[Sleeper]):
            await (await start_sleeper(sim)).result()

    for _ in range(8):
        asyncio.run(use())
    assert watcher.leftovers() == {}


@every_lane
def test_synchronous_simulations_leave_nothing_behind(watcher: Watcher, lane: LaneName) -> None:
    def use() -> None:
        with Simulation(lane=lane) as sim, sim.worker(workflows=[Sleeper]):
            sim.run(sim.run(start_sleeper(sim)).result())

    for _ in range(8):
        use()
    assert watcher.leftovers() == {}


@every_lane
def test_stop_ends_long_polls(watcher: Watcher, lane: LaneName) -> None:
    async def use() -> None:
        async with Simulation(lane=lane) as sim:
            handle = await start_sleeper(sim)
            with sim.auto_time_skipping_disabled():
                waiting = [asyncio.create_task(handle.result()) for _ in range(3)]
                while len(open_long_polls(sim)) < 3:  # noqa: ASYNC110 - no API tells of it
                    await asyncio.sleep(0)
                await sim.shutdown()
        for each in waiting:
            with pytest.raises(SimulationClosed):
                await each

    asyncio.run(use())
    assert watcher.leftovers() == {}


def open_long_polls(sim: Simulation) -> list[Call]:
    server = sim._open()
    return server.call(lambda: list(server.service.cluster.time_waits))


@every_lane
def test_stop_ends_sleeps_of_the_test(watcher: Watcher, lane: LaneName) -> None:
    async def use() -> None:
        async with Simulation(lane=lane, clock="manual") as sim:
            sleeping = asyncio.create_task(sim.sleep(HOUR))
            await asyncio.sleep(0)
        with pytest.raises(SimulationClosed):
            await sleeping

    asyncio.run(use())
    assert watcher.leftovers() == {}


@every_lane
def test_stop_ends_workers_that_were_left_running(watcher: Watcher, lane: LaneName) -> None:
    async def use() -> None:
        async with Simulation(lane=lane) as sim:
            worker = await sim.worker(workflows=[Sleeper]).__aenter__()
            await start_sleeper(sim)
            await sim.sleep(10)
        assert not worker.is_running

    asyncio.run(use())
    assert watcher.leftovers() == {}


@every_lane
def test_stop_ends_workers_that_a_synchronous_test_left_running(
    watcher: Watcher, lane: LaneName
) -> None:
    def use() -> None:
        with Simulation(lane=lane) as sim:
            worker = sim.worker(workflows=[Sleeper]).__enter__()
            sim.run(start_sleeper(sim))
            sim.run(sim.sleep(10))
        assert not worker.is_running

    use()
    assert watcher.leftovers() == {}


@every_lane
@pytest.mark.parametrize("rest", [nap, doze])
def test_stop_ends_activities_that_sleep(
    watcher: Watcher, lane: LaneName, rest: Callable[[], Awaitable[None] | None]
) -> None:
    async def use() -> None:
        async with Simulation(lane=lane) as sim:
            await sim.worker(workflows=[Rest], activities=[rest]).__aenter__()
            await sim.client.start_workflow(
                Rest.run, rest.__name__, id="rest", task_queue=sim.task_queue
            )
            await sim.sleep(10)

    asyncio.run(use())
    assert watcher.leftovers() == {}


class Broken(SimplePlugin):
    """A plugin that does not work."""

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        raise RuntimeError("broken")


@every_lane
def test_start_that_fails_leaves_nothing_behind(watcher: Watcher, lane: LaneName) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        Simulation(lane=lane, plugins=[Broken("broken")]).start()
    assert watcher.leftovers() == {}
