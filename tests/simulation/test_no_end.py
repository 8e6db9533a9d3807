"""What could go on for ever is told, although something happens all the time, or could happen."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from tests.simulation.workflows import Inbox
from timeskip import Simulation, SimulationStalled, SimulationStuck, TooManyAttempts

pytestmark = pytest.mark.both_lanes

impatient = pytest.mark.timeskip(stall_timeout=timedelta(milliseconds=400))


@activity.defn
async def leave_it_to_others() -> None:
    activity.raise_complete_async()


@activity.defn
async def decline(order: str) -> None:
    raise ValueError(f"no money for {order}")


@workflow.defn(sandboxed=False)
class CallsLocally:
    @workflow.run
    async def run(self, order: str) -> None:
        await workflow.execute_local_activity(
            decline,
            order,
            start_to_close_timeout=timedelta(hours=1),
            local_retry_threshold=timedelta(seconds=1),
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
        )


@workflow.defn(sandboxed=False)
class WaitsForAges:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            leave_it_to_others, start_to_close_timeout=timedelta(days=365 * 200)
        )


@workflow.defn(sandboxed=False)
class Continues:
    @workflow.run
    async def run(self) -> None:
        await asyncio.sleep(3600)
        workflow.continue_as_new()


@workflow.defn(sandboxed=False)
class HasEndlessChild:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_child_workflow(Continues.run, id="child-1")


@pytest.mark.timeskip(max_activity_attempts=10)
async def test_local_activity_that_fails_for_ever_is_told(sim: Simulation) -> None:
    async with sim.worker(workflows=[CallsLocally], activities=[decline]):
        with pytest.raises(TooManyAttempts) as told:
            await sim.client.execute_workflow(
                CallsLocally.run, "order 7", id="order-7", task_queue=sim.task_queue
            )
    text = str(told.value)
    assert text.startswith(
        "the local activity 'decline' of workflow 'order-7' (CallsLocally) has failed 10 times in a "
        "row,\nand its retry policy allows more, so that the test would never end. Its last failure:\n"
    )
    assert "in decline\n" in text
    assert "\nValueError: no money for order 7\n" in text


@impatient
@pytest.mark.parametrize("run", [Continues.run, HasEndlessChild.run])
async def test_workflow_that_continues_for_ever_is_told(sim: Simulation, run: Any) -> None:
    async with sim.worker(workflows=[Continues, HasEndlessChild]):
        with pytest.raises(SimulationStalled) as told:
            await sim.client.execute_workflow(
                run,
                id="child-1" if run is Continues.run else "parent-1",
                task_queue=sim.task_queue,
            )
    text = str(told.value)
    assert text.startswith(
        "for 0.4 seconds of real time the test has waited for the result of workflow "
    )
    assert "and there is no end in sight.\n\nVirtual time passes and has reached 2024-" in text
    assert "\n  workflow 'child-1' (Continues) is in its run number " in text
    assert ": it continues as new each time\n" in text
    assert "`timeskip_stall_timeout`" in text


@impatient
async def test_schedule_without_an_end_is_told_to_who_waits_for_its_result(sim: Simulation) -> None:
    async with sim.worker(workflows=[Quick]):
        with pytest.raises(SimulationStalled, match="its cron schedule has no end"):
            await sim.client.execute_workflow(
                Quick.run, id="daily", task_queue=sim.task_queue, cron_schedule="@daily"
            )


@impatient
async def test_many_runs_are_fine_for_who_waits_for_time(sim: Simulation) -> None:
    if sim.lane == "wire":
        pytest.skip("a busy machine may keep the core from doing anything for so long")
    async with sim.worker(workflows=[Quick]):
        await sim.client.start_workflow(
            Quick.run, id="daily", task_queue=sim.task_queue, cron_schedule="@daily"
        )
        await sim.sleep(timedelta(days=300))
    assert len(sim.runs) == 301


async def test_time_ends_where_it_cannot_be_told_any_more(sim: Simulation) -> None:
    async with sim.worker(workflows=[WaitsForAges], activities=[leave_it_to_others]):
        with pytest.raises(SimulationStuck) as told:
            await sim.client.execute_workflow(
                WaitsForAges.run, id="ages-1", task_queue=sim.task_queue
            )
    assert "What is due next is so after the year 9999, where time ends." in str(told.value)
    with pytest.raises(OverflowError, match="ends after the year 9999"):
        await sim.sleep(timedelta(days=365 * 8000))


@impatient
async def test_event_that_nobody_sets_is_told(sim: Simulation) -> None:
    async with sim.worker(workflows=[Inbox]):
        await sim.client.start_workflow(
            Inbox.run, "the last", id="inbox-1", task_queue=sim.task_queue
        )
        with pytest.raises((SimulationStuck, SimulationStalled)) as told:
            await asyncio.Event().wait()
    assert "in test_event_that_nobody_sets_is_told: await asyncio.Event().wait()" in str(told.value)


@workflow.defn(sandboxed=False)
class Quick:
    @workflow.run
    async def run(self) -> None: ...
