"""A worker that has lost a workflow from its cache, and waits for its history for long."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType

from timeskip import Simulation

pytestmark = [pytest.mark.asyncio, pytest.mark.both_lanes]


@activity.defn
async def count(number: int) -> int:
    return number


@workflow.defn(sandboxed=False)
class Counts:
    """Takes half a minute, and three workflow tasks and more."""

    @workflow.run
    async def run(self) -> int:
        total = 0
        for number in range(3):
            total += await workflow.execute_activity(
                count, number, start_to_close_timeout=timedelta(seconds=5)
            )
            await asyncio.sleep(10)
        return total


async def counted(sim: Simulation) -> list[EventType.ValueType]:
    """What happened to a `Counts` that was lost from the cache before its third task."""
    sim.faults.evict_workflow("sticky-cache:counts:3")
    async with sim.worker(workflows=[Counts], activities=[count]):
        handle = await sim.client.start_workflow(Counts.run, id="counts", task_queue=sim.task_queue)
        assert await handle.result() == 3
    return [event.event_type for event in (await handle.fetch_history()).events]


# The first call of that method is that of the test, which waits for the result.


@pytest.mark.parametrize("what", ["request", "response"])
async def test_history_comes_within_the_time_of_the_task(sim: Simulation, what: str) -> None:
    at = f"rpc:GetWorkflowExecutionHistory#2:{what}"
    with sim.faults.delay_response(at, by=timedelta(seconds=3)) as fault:
        events = await counted(sim)
    assert fault.count == 1
    assert sim.elapsed == timedelta(seconds=33)
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT not in events


async def test_history_comes_when_the_task_has_timed_out(sim: Simulation) -> None:
    at = "rpc:GetWorkflowExecutionHistory#2:response"
    with sim.faults.delay_response(at, by=timedelta(seconds=30)) as fault:
        events = await counted(sim)
    assert fault.count == 1
    assert sim.elapsed == timedelta(seconds=40)
    assert events.count(EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT) == 1


async def test_history_is_refused_for_a_while(sim: Simulation) -> None:
    at = "rpc:GetWorkflowExecutionHistory"
    with sim.faults.fail_rpc("UNAVAILABLE", at=at, skip=1, times=2) as fault:
        events = await counted(sim)
    assert fault.count == 2
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in events
