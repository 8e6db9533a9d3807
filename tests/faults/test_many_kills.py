"""A worker is killed again and again: nothing is left of it, and no kill costs more than the first."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner

from timeskip import Simulation
from timeskip.lanes.selection import LaneName

#: What a simulation remembers of each try of a task that was killed: its crash points.
_REMEMBERED = "timeskip.faults.crash_points.CrashPoint"


class Left(NamedTuple):
    """What there is while a test still runs, after so many kills."""

    calls: int
    tasks: int
    threads: int
    files: int
    objects: Counter[str]


@workflow.defn
class Naps:
    """Naps once."""

    @workflow.run
    async def run(self) -> None:
        await asyncio.sleep(60)


async def left_after(kills: int, lane: LaneName, *, counts_calls: bool = False) -> Left:
    """What is left after the worker has died so often, always at the first workflow task."""
    async with Simulation(lane=lane, auto_replay=False) as sim:
        fault = sim.faults.kill_worker(at="workflow-task:naps:*:before-report", times=kills)
        async with sim.worker(workflows=[Naps], workflow_runner=UnsandboxedWorkflowRunner()):
            with _Calls() if counts_calls else _Calls.none() as calls:
                await sim.client.execute_workflow(Naps.run, id="naps", task_queue=sim.task_queue)
            assert fault.count == kills
            gc.collect()
            return Left(
                calls.count,
                len(asyncio.all_tasks()),
                threading.active_count(),
                _open_files(),
                Counter(
                    f"{type(each).__module__}.{type(each).__name__}" for each in gc.get_objects()
                ),
            )


class _Calls:
    """Counts the calls of Python functions within a block: what it costs, on any machine."""

    def __init__(self, *, counts: bool = True) -> None:
        self.count = 0
        self._counts = counts

    @classmethod
    def none(cls) -> _Calls:
        return cls(counts=False)

    def __enter__(self) -> _Calls:
        if self._counts:
            sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._counts:
            sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        self.count += event == "call"


def _open_files() -> int:
    """Those of this process, sockets among them; 0 where nobody tells."""
    directory = Path("/proc/self/fd")
    return len(os.listdir(directory)) if directory.exists() else 0


async def require_nothing_left(kills: int, lane: LaneName) -> None:
    await left_after(10, lane)  # whatever is made once
    few, many = await left_after(10, lane), await left_after(10 + kills, lane)
    assert many.threads <= few.threads + 1
    assert many.files <= few.files + 1
    assert many.tasks <= few.tasks + 2
    grown = many.objects - few.objects
    assert grown.pop(_REMEMBERED) <= 4 * kills
    # The last of them may not have been taken apart in full, and loops keep cancelled timers for a while.
    assert grown.total() < kills / 2 + 250, grown.most_common(10)


@pytest.mark.asyncio
@pytest.mark.parametrize("lane", ["direct", "wire"])
async def test_nothing_is_left_of_killed_workers(lane: LaneName) -> None:
    await require_nothing_left(100, lane)


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("lane", ["direct", "wire"])
async def test_nothing_is_left_of_a_thousand_killed_workers(lane: LaneName) -> None:
    await require_nothing_left(1000, lane)


async def require_same_cost(kills: int) -> None:
    """Twice the kills cost twice as much; what is begun and ended costs the same in both cases."""
    await left_after(10, "direct")  # whatever is made once
    half = (await left_after(kills // 2, "direct", counts_calls=True)).calls
    whole = (await left_after(kills, "direct", counts_calls=True)).calls
    assert whole < 2.1 * half


@pytest.mark.asyncio
async def test_kills_cost_the_same_from_first_to_last() -> None:
    await require_same_cost(60)


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_thousand_kills_cost_the_same_from_first_to_last() -> None:
    await require_same_cost(1000)


@activity.defn
def rest() -> None:
    time.sleep(60)


@workflow.defn
class Rests:
    """Has an activity rest in a thread."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            rest,
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=RetryPolicy(backoff_coefficient=1),
        )


@pytest.mark.asyncio
@pytest.mark.parametrize("lane", ["direct", "wire"])
async def test_threads_of_killed_workers_end_with_the_simulation(lane: LaneName) -> None:
    before = set(threading.enumerate())
    async with Simulation(lane=lane, auto_replay=False) as sim:
        for number in range(10):
            sim.faults.kill_worker(at=f"time:{number * 10 + 1}m")
        async with sim.worker(workflows=[Rests], activities=[rest]):
            await sim.client.execute_workflow(Rests.run, id="rests", task_queue=sim.task_queue)
        slept = {thread for thread in threading.enumerate() if "activity" in thread.name} - before
    for thread in slept:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in slept)


@pytest.mark.asyncio
async def test_kills_that_end_some_time_are_no_circle() -> None:
    """Tries of a workflow task after the first leave no event, and a thousand of them take long."""
    seen: list[int] = []
    async with Simulation(lane="direct", auto_replay=False) as sim:
        sim._open().keeper.on_time_moved = lambda now: seen.append(sim._alarms.events)
        sim.faults.kill_worker(at="workflow-task:naps:*:before-report", times=5)
        async with sim.worker(workflows=[Naps], workflow_runner=UnsandboxedWorkflowRunner()):
            await sim.client.execute_workflow(Naps.run, id="naps", task_queue=sim.task_queue)
    assert len(seen) > 5
    assert len(set(seen)) == len(seen)
