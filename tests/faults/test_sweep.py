"""Each crash point of a workflow with some of everything, once: it ends as if nothing had happened.

So it is in the direct lane, in the wire lane, and with processes that get a real SIGKILL.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import pytest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from tests.faults import trips
from timeskip import Simulation
from timeskip.faults import crash_at, plan_text
from timeskip.fuzzing.endings import Endings
from timeskip.histories import first_difference, replay
from timeskip.lanes.selection import LaneName

Where = LaneName | Literal["process"]


@dataclass
class Played:
    """What came of a trip.

    Attributes:
        result: Of the workflow.
        endings: How its run and its child's ended.
        faults: Those that could be put in its way, a line each.
    """

    result: list[Any]
    endings: Endings
    faults: list[str]


async def ask(handle: WorkflowHandle[trips.Trip, list[Any]]) -> list[str]:
    """Queries, once more if the worker that was asked has died with the question."""
    try:
        return await handle.query(trips.Trip.guests)
    except RPCError:
        return await handle.query(trips.Trip.guests)


def worker(sim: Simulation, where: Where) -> AbstractAsyncContextManager[object]:
    if where == "process":
        return sim.worker_process("tests.faults.trips:build")
    return sim.worker(**trips.WORKER)


async def play(where: Where, plan: str = "") -> Played:
    """Make the trip with faults."""
    async with Simulation(lane="wire" if where == "process" else where) as sim:
        points = sim.crash_points
        sim.faults.add_plan(plan)
        async with worker(sim, where):
            handle = await sim.client.start_workflow(
                trips.Trip.run, "Rome", id="trip", task_queue=sim.task_queue
            )
            sim.at(timedelta(hours=5), handle.execute_update, trips.Trip.add_guest, "Ada")
            sim.at(timedelta(hours=10), handle.signal, trips.Trip.set_out)
            await sim.sleep(timedelta(hours=7, minutes=30))
            assert await ask(handle) == ["Ada"]
            result = await handle.result()
        sim.check()
        sim.faults.verify()
        endings = Endings(sim.runs)
        if where == "process":  # runs of other processes are not replayed by themselves
            for run in sim.runs:
                replay(await sim.history(run), workflows=trips.WORKER["workflows"])
        return Played(result, endings, [plan_text([crash_at(point)]) for point in points])


def require_the_same(played: Played, baseline: Played, fault: str) -> None:
    """The same result, and the same histories but for other tries of tasks and activities."""
    assert played.result == baseline.result, fault
    assert list(played.endings) == list(baseline.endings), fault
    for name, ending in baseline.endings.items():
        difference = first_difference(ending.without_noise, played.endings[name].without_noise)
        assert difference is None, f"{fault}, {name}: {difference}"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "where",
    [
        "direct",
        pytest.param("wire", marks=pytest.mark.slow),
        pytest.param("process", marks=pytest.mark.slow),
    ],
)
async def test_trip_survives_every_crash(where: Where) -> None:
    baseline = await play(where)
    assert len(baseline.faults) > 60
    for fault in baseline.faults:
        require_the_same(await play(where, fault), baseline, fault)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "point",
    [
        "workflow-task:trip:2:after-report",
        "local-activity:price#1:before-report",
        "heartbeat:collect#1:2:after-report",
        "update:add_guest#1:after-accept",
    ],
)
async def test_killed_process_leaves_what_the_direct_lane_leaves(point: str) -> None:
    baseline = await play("direct")
    fault = f"kill-worker at {point}"
    require_the_same(await play("process", fault), baseline, fault)


@pytest.mark.asyncio
async def test_names_are_the_same_in_both_lanes() -> None:
    direct, wire = await play("direct"), await play("wire")
    assert set(direct.faults) == set(wire.faults)
