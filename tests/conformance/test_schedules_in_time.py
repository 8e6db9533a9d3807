"""Schedules that act by themselves: every second, for as long as they may."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import ScheduleOverlapPolicy as Policy
from temporalio.api.schedule.v1 import (
    IntervalSpec,
    SchedulePatch,
    SchedulePolicies,
    ScheduleSpec,
    ScheduleState,
)

from tests.conformance.commands import seconds
from tests.conformance.scenario import scenario
from tests.conformance.schedules import (
    create,
    describe,
    observe_schedule,
    patch,
    schedule,
    started,
    until,
)
from tests.conformance.world import World

pytestmark = pytest.mark.slow

SECONDLY = ScheduleSpec(interval=[IntervalSpec(interval=seconds(1))])
THREE = ScheduleState(limited_actions=True, remaining_actions=3)


@pytest.mark.parametrize("policy", ["SKIP", "ALLOW_ALL", "TERMINATE_OTHER"])
@scenario("rpc:CreateSchedule", "option:ScheduleState.remaining_actions")
async def test_a_schedule_acts_three_times(world: World, policy: str) -> None:
    """Or once, if that is never over."""
    policies = SchedulePolicies(overlap_policy=Policy.Value(f"SCHEDULE_OVERLAP_POLICY_{policy}"))
    await create(world, schedule(world, SECONDLY, policies=policies, state=THREE))
    if policy == "SKIP":
        description = await until(world, lambda each: each.info.overlap_skipped >= 2)
        world.observe("actions", description.info.action_count)
        world.observe("left", description.schedule.state.remaining_actions)
        return
    description = await until(world, lambda each: each.info.action_count == 3)
    if policy == "TERMINATE_OTHER":
        description = await until(world, lambda each: len(each.info.running_workflows) == 1)
    observe_schedule(world, "schedule", description)
    for number, run in enumerate(started(description)):
        await world.observe_history(f"run {number}", run)


@scenario("option:SchedulePatch.pause")
async def test_a_paused_schedule_does_not_act(world: World) -> None:
    await create(world, schedule(world, SECONDLY, state=ScheduleState(paused=True)))
    await world.pass_time(2.5)
    world.observe("paused", (await describe(world)).info.action_count)
    await patch(world, SchedulePatch(unpause="go on"))
    description = await until(world, lambda each: each.info.action_count > 0)
    world.observe("missed", description.info.missed_catchup_window)
    await patch(world, SchedulePatch(pause="enough"))
