"""Runs that are reset while the SDK's own worker serves them: it goes on with the new run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType, ResetReapplyType
from temporalio.client import WorkflowUpdateStage

from tests.conformance import orders
from tests.conformance.resets import finished_task, reset
from tests.conformance.scenario import scenario
from tests.conformance.test_sdk_workers import VIRTUAL, observe_outcome, run_of, start
from tests.conformance.world import Run, World

CACHES = pytest.mark.parametrize("cached", [0, 1000])


async def observe_new_run(world: World, new: Run) -> None:
    """Note what a run that was made by a reset results in."""
    await observe_outcome(
        world, world.client.get_workflow_handle(new.workflow_id, run_id=new.run_id), "new"
    )
    await world.observe_history("new run", new)


@CACHES
@pytest.mark.parametrize("task", [1, 2, 3, 4])
@scenario("rpc:ResetWorkflowExecution", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_completed_order_is_reset(world: World, task: int, cached: int) -> None:
    """To before its first activity, after it, after the timer, and before it completed."""
    async with world.worker(
        workflows=[orders.Order], activities=[orders.charge], max_cached_workflows=cached
    ):
        handle = await start(world, orders.Order.run, "Ada")
        await observe_outcome(world, handle)
        run = run_of(handle)
        await observe_new_run(world, await reset(world, run, await finished_task(world, run, task)))


@CACHES
@scenario("rpc:ResetWorkflowExecution", "event:WorkflowExecutionSignaled", clock="virtual")
async def test_sdk_signals_are_told_again(world: World, cached: int) -> None:
    async with world.worker(workflows=[orders.Approval], max_cached_workflows=cached):
        handle = await start(world, orders.Approval.run, 1000.0)
        run = run_of(handle)
        await world.until_event(run, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
        await handle.signal(orders.Approval.comment, "fine")
        world.observe("before", await handle.query(orders.Approval.comments))
        new = await reset(world, run, await finished_task(world, run, 1))
        latest = world.client.get_workflow_handle(handle.id)
        world.observe("after", await latest.query(orders.Approval.comments))
        await latest.signal(orders.Approval.approve, "Ada")
        await observe_new_run(world, new)
        silent = await reset(
            world, run, 4, reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_NONE
        )
        world.observe("untold", await latest.query(orders.Approval.comments))
        await latest.signal(orders.Approval.approve, "Bob")
        await observe_new_run(world, silent)


@CACHES
@scenario("rpc:ResetWorkflowExecution", "event:WorkflowExecutionUpdateAdmitted", clock="virtual")
async def test_sdk_updates_are_asked_again(world: World, cached: int) -> None:
    async with world.worker(
        workflows=[orders.Basket], activities=[orders.charge], max_cached_workflows=cached
    ):
        basket = await start(world, orders.Basket.run)
        run = run_of(basket)
        await world.until_event(run, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
        await basket.execute_update(orders.Basket.put, "apple", id="apple")
        await basket.start_update(
            orders.Basket.pay, "Ada", id="pay", wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        new = await reset(world, run, await finished_task(world, run, 1))
        latest = world.client.get_workflow_handle(basket.id)
        for update in ("apple", "pay"):
            handle: Any = latest.get_update_handle(update)
            world.observe(update, await handle.result())
        world.observe("put", await latest.execute_update(orders.Basket.put, "pear", id="pear"))
        await latest.execute_update(orders.Basket.check_out, id="out")
        await observe_new_run(world, new)


@scenario("rpc:ResetWorkflowExecution", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_run_is_reset_whose_result_is_waited_for(world: World) -> None:
    async with world.worker(workflows=[orders.Sleeper]):
        handle = await start(
            world, orders.Sleeper.run, run_timeout=timedelta(seconds=100), name="sleeper"
        )
        run = run_of(handle)
        await world.until_event(run, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
        new = await reset(world, run, 4)
        await observe_outcome(world, handle, "old")
        latest = world.client.get_workflow_handle(handle.id)
        await world.until_event(new, EventType.EVENT_TYPE_TIMER_STARTED)
        await latest.terminate(reason="enough")
        await observe_new_run(world, new)
