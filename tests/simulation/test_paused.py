"""Nothing hangs because something is paused: time goes on, and the test is told who waits for what."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    PauseWorkflowExecutionRequest,
    UnpauseActivityRequest,
    UnpauseWorkflowExecutionRequest,
)
from temporalio.client import WorkflowHandle

from timeskip import Simulation, SimulationStuck

pytestmark = pytest.mark.both_lanes


@activity.defn
async def charge() -> str:
    return "charged"


@activity.defn
async def pack() -> str:
    while True:
        activity.heartbeat()
        await asyncio.sleep(60)


@workflow.defn
class Order:
    """Waits an hour, then for one activity."""

    @workflow.run
    async def run(self, activity_type: str) -> str:
        await workflow.sleep(timedelta(hours=1))
        result: str = await workflow.execute_activity(
            activity_type,
            activity_id="a",
            start_to_close_timeout=timedelta(days=1),
            heartbeat_timeout=timedelta(minutes=5),
        )
        return result


async def start(sim: Simulation, activity_type: str = "charge") -> WorkflowHandle[Any, str]:
    return await sim.client.start_workflow(
        Order.run, activity_type, id="order-1", task_queue=sim.task_queue
    )


async def pause_run(sim: Simulation) -> None:
    await sim.client.workflow_service.pause_workflow_execution(
        PauseWorkflowExecutionRequest(
            namespace="default", workflow_id="order-1", identity="Ada", reason="an incident"
        )
    )


async def unpause_run(sim: Simulation) -> None:
    await sim.client.workflow_service.unpause_workflow_execution(
        UnpauseWorkflowExecutionRequest(namespace="default", workflow_id="order-1")
    )


async def pause_activity(sim: Simulation, handle: WorkflowHandle[Any, str]) -> None:
    await sim.client.workflow_service.pause_activity(
        PauseActivityRequest(
            namespace="default",
            execution=WorkflowExecution(workflow_id=handle.id),
            id="a",
            identity="Ada",
            reason="the bank is closed",
        )
    )


async def unpause_activity(sim: Simulation, handle: WorkflowHandle[Any, str]) -> None:
    await sim.client.workflow_service.unpause_activity(
        UnpauseActivityRequest(
            namespace="default",
            execution=WorkflowExecution(workflow_id=handle.id),
            unpause_all=True,
        )
    )


async def test_wait_for_a_paused_run_ends_at_once(sim: Simulation) -> None:
    async with sim.worker(workflows=[Order], activities=[charge]):
        handle = await start(sim)
        await pause_run(sim)
        with pytest.raises(SimulationStuck, match="it is paused by 'Ada': an incident"):
            await handle.result()


async def test_time_goes_on_until_a_paused_run_is_unpaused(sim: Simulation) -> None:
    async with sim.worker(workflows=[Order], activities=[charge]):
        handle = await start(sim)
        await sim.sleep(timedelta(minutes=30))
        await pause_run(sim)
        sim.at(timedelta(days=2), unpause_run, sim)
        assert await handle.result() == "charged"
    assert sim.elapsed == timedelta(days=2, minutes=30)


async def test_wait_for_a_paused_activity_ends_at_once(sim: Simulation) -> None:
    async with sim.worker(workflows=[Order], activities=[pack]):
        handle = await start(sim, "pack")
        await sim.sleep(timedelta(hours=2))
        await pause_activity(sim, handle)
        told = r"its activity 'pack' is paused by 'Ada': the bank is closed"
        with pytest.raises(SimulationStuck, match=told):
            await handle.result()


async def test_time_goes_on_until_a_paused_activity_is_unpaused(sim: Simulation) -> None:
    handle = await start(sim)
    async with sim.worker(workflows=[Order]):
        await sim.sleep(timedelta(hours=2))
    await pause_activity(sim, handle)
    sim.at(timedelta(days=2), unpause_activity, sim, handle)
    async with sim.worker(workflows=[Order], activities=[charge]):
        assert await handle.result() == "charged"
    assert sim.elapsed == timedelta(days=2, hours=2)


async def test_activities_of_a_paused_run_are_told_apart_from_paused_ones(sim: Simulation) -> None:
    handle = await start(sim)
    async with sim.worker(workflows=[Order]):
        await sim.sleep(timedelta(hours=2))
        await pause_run(sim)
        with pytest.raises(SimulationStuck, match="'charge' waits for the end of the pause"):
            await handle.result()
