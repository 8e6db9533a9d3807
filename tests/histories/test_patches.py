"""Runs that meet a patch as if it were absent, or present."""

from __future__ import annotations

import pytest
from temporalio import workflow

from timeskip import PatchNeverMet, Simulation
from timeskip.lanes.selection import LaneName

pytestmark = pytest.mark.asyncio

every_lane = pytest.mark.parametrize("lane", ["wire", "direct"])


@workflow.defn
class Route:
    def __init__(self) -> None:
        self.go = False

    @workflow.signal
    async def go_on(self) -> None:
        self.go = True

    @workflow.run
    async def run(self) -> list[bool]:
        first = workflow.patched("first")
        await workflow.sleep(1)
        await workflow.wait_condition(lambda: self.go)
        return [first, workflow.patched("first"), workflow.patched("second")]


async def route(sim: Simulation, name: str = "route") -> list[bool]:
    handle = await sim.client.start_workflow(Route.run, id=name, task_queue=sim.task_queue)
    await sim.sleep(10)
    await handle.signal(Route.go_on)
    return await handle.result()


@every_lane
async def test_patches_are_present_unless_told_otherwise(lane: LaneName) -> None:
    async with Simulation(lane=lane) as sim, sim.worker(workflows=[Route]):
        assert await route(sim) == [True, True, True]


@every_lane
async def test_absent_patch_is_false_for_runs_of_the_block(lane: LaneName) -> None:
    async with Simulation(lane=lane) as sim, sim.worker(workflows=[Route]):
        with sim.patches(absent=["first"]):
            assert await route(sim) == [False, False, True]
        assert await route(sim, "later") == [True, True, True]


@every_lane
async def test_run_keeps_to_what_it_has_met(lane: LaneName) -> None:
    """Also when another worker replays it, and the block is over."""
    async with Simulation(lane=lane) as sim:
        async with sim.worker(workflows=[Route]):
            with sim.patches(absent=["first"]):
                handle = await sim.client.start_workflow(
                    Route.run, id="route", task_queue=sim.task_queue
                )
                await sim.sleep(10)
        async with sim.worker(workflows=[Route]):
            await handle.signal(Route.go_on)
            assert await handle.result() == [False, False, True]


async def test_callback_of_the_worker_decides_on_the_rest() -> None:
    sim = Simulation(lane="direct")
    worker = sim.worker(workflows=[Route], patch_activation_callback=lambda asked: False)
    async with sim, worker:
        assert await route(sim) == [False, False, False]
        with sim.patches(present=["second"]):
            assert await route(sim, "later") == [False, False, True]


async def test_blocks_within_blocks_add_up() -> None:
    async with Simulation(lane="direct") as sim, sim.worker(workflows=[Route]):
        with sim.patches(absent=["first", "second"]), sim.patches(present=["first"]):
            assert await route(sim) == [True, True, False]


async def test_patch_is_either_absent_or_present() -> None:
    async with Simulation(lane="direct") as sim:
        patches = sim.patches(absent=["a"], present=["a", "b"])
        with pytest.raises(ValueError, match="either absent or present: a"), patches:
            pytest.fail("the block must not be entered")


@every_lane
async def test_patch_that_no_run_meets_is_told(lane: LaneName) -> None:
    async with Simulation(lane=lane) as sim, sim.worker(workflows=[Route]):
        patches = sim.patches(absent=["frist"], present=["second"])
        warning = pytest.warns(PatchNeverMet, match="'frist' .* they met 'first', 'second'")
        with warning, patches:
            assert await route(sim) == [True, True, True]


async def test_one_patch_may_be_given_alone() -> None:
    async with Simulation(lane="direct") as sim, sim.worker(workflows=[Route]):
        with sim.patches(absent="first"):
            assert await route(sim) == [False, False, True]
