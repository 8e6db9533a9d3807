"""Workflows that workers forget and replay, perhaps with other code."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.workflow import NondeterminismError

from tests.conformance import changing_orders, orders
from tests.conformance.scenario import scenario
from tests.conformance.test_sdk_workers import observe_outcome, run_of, start
from tests.conformance.world import World

TASK_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
TIMER_FIRED = EventType.EVENT_TYPE_TIMER_FIRED


async def started_with(world: World, code: type, name: str) -> WorkflowHandle[Any, Any]:
    """A workflow of this code that has got as far as its signal, and whose worker has gone."""
    async with world.worker(workflows=[code], activities=[orders.charge]):
        handle = await start(world, "Changing", name=name)
        await world.until_event(run_of(handle), TIMER_FIRED)
        await handle.query("told")
    return handle


@scenario("rpc:QueryWorkflow", "event:WorkflowTaskStarted", clock="virtual")
async def test_sdk_two_workflows_take_turns_in_a_cache_for_one(world: World) -> None:
    async with world.worker(
        workflows=[changing_orders.Stepwise], activities=[orders.charge], max_cached_workflows=1
    ):
        one = await start(world, changing_orders.Stepwise.run, 2, name="one")
        await world.until_event(run_of(one), TASK_COMPLETED)
        two = await start(world, changing_orders.Stepwise.run, 2, name="two")
        await world.until_event(run_of(two), TASK_COMPLETED)
        for told in (1, 2):
            await one.signal("go_on")
            await world.until_event(run_of(one), EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
            world.observe(f"one was told {told}", await one.query("told"))
            await two.signal("go_on")
            await world.until_event(run_of(two), EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
            world.observe(f"two was told {told}", await two.query("told"))
        await observe_outcome(world, one, "one")
        await observe_outcome(world, two, "two")


@pytest.mark.parametrize("cache", [0, 10])
@scenario("event:WorkflowTaskStarted", clock="virtual", real="dev server with low limits")
async def test_sdk_a_workflow_sees_its_history_grow(world: World, cache: int) -> None:
    handle = await start(world, changing_orders.Stepwise.run, 4)
    for _ in range(4):
        await handle.signal("go_on")
    async with world.worker(
        workflows=[changing_orders.Stepwise],
        activities=[orders.charge],
        max_cached_workflows=cache,
    ):
        await observe_outcome(world, handle)


@scenario("event:WorkflowTaskFailed", "rpc:RespondWorkflowTaskFailed", clock="virtual")
async def test_sdk_changed_code_does_not_fit(world: World) -> None:
    handle = await started_with(world, changing_orders.Before, "order")
    async with world.worker(workflows=[changing_orders.Otherwise], activities=[orders.charge]):
        await handle.signal("go_on")
        await world.until_event(run_of(handle), EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
        await handle.terminate()
        await observe_outcome(world, handle)


@scenario("event:WorkflowExecutionFailed", clock="virtual")
async def test_sdk_changed_code_fails_the_workflow(world: World) -> None:
    handle = await started_with(world, changing_orders.Before, "order")
    async with world.worker(
        workflows=[changing_orders.Otherwise],
        activities=[orders.charge],
        workflow_failure_exception_types=[NondeterminismError],
    ):
        await handle.signal("go_on")
        await observe_outcome(world, handle)


@scenario("event:MarkerRecorded", "rpc:DescribeWorkflowExecution", clock="virtual")
async def test_sdk_patches_through_their_life(world: World) -> None:
    old = await started_with(world, changing_orders.Before, "old")
    new = await started_with(world, changing_orders.Patched, "new")
    late = await started_with(world, changing_orders.Patched, "late")
    async with world.worker(workflows=[changing_orders.Patched], activities=[orders.charge]):
        for name, handle in (("old", old), ("new", new)):
            await handle.signal("go_on")
            await observe_outcome(world, handle, name)
            world.observe(f"{name} described", await world.describe(run_of(handle)))
    async with world.worker(
        workflows=[changing_orders.PatchesDeprecated], activities=[orders.charge]
    ):
        newest = await start(world, "Changing", name="newest")
        for name, handle in (("late", late), ("newest", newest)):
            await handle.signal("go_on")
            await observe_outcome(world, handle, name)
            world.observe(f"{name} described", await world.describe(run_of(handle)))


@scenario("event:WorkflowTaskFailed", clock="virtual")
async def test_sdk_a_workflow_stumbles_once(world: World) -> None:
    async with world.worker(workflows=[changing_orders.Stumbling]):
        handle = await start(world, changing_orders.Stumbling.run)
        await world.until_event(run_of(handle), TASK_COMPLETED)
        await handle.signal("go_on")
        await observe_outcome(world, handle)
