"""What a timeline tells besides the history: faults, attempts and replays, each where it happened."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import activity, workflow

from timeskip import Simulation
from timeskip.timeline import Timeline


@activity.defn
async def charge() -> None:
    """Does nothing."""


@workflow.defn(sandboxed=False)
class Order:
    """Charges, and waits."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(charge, start_to_close_timeout=timedelta(minutes=1))
        await workflow.sleep(60)


async def timeline(sim: Simulation, plan: str) -> list[str]:
    sim.faults.add_plan(plan)
    async with sim.worker(workflows=[Order], activities=[charge]):
        await sim.client.execute_workflow(Order.run, id="order-1", task_queue=sim.task_queue)
    [run] = sim.runs
    lines = str(Timeline(run.history, sim.faults.marks_of(run.run_id))).splitlines()
    return [" ".join(line.split()) for line in lines]


@pytest.mark.asyncio
@pytest.mark.both_lanes
async def test_kills_attempts_and_replays_are_told_in_their_order(sim: Simulation) -> None:
    told = await timeline(sim, "kill-worker at activity:charge#1:before-report")
    assert told == [
        "+0 s ┌ started Order",
        "├ attempt 1 of charge",
        "✗ killed at activity:charge#1:before-report the worker was killed:",
        "the code had run to its end, and the service did not know",
        "+1 min 1 s ├ attempt 2 of charge",
        "├ activity charge attempt 2",
        "│ attempt 1 failed: start-to-close timeout",
        "├ replay another worker begins with 9 events",
        "+2 min 1 s ├ timer 1 min",
        "└ completed",
    ]


@pytest.mark.asyncio
async def test_what_befell_no_run_is_told_at_its_time(sim: Simulation) -> None:
    told = await timeline(
        sim, "restart-server at time:30s; kill-worker at workflow-task:order-1:3:after-report"
    )
    assert told[2:] == [
        "+30 s ✗ restart at time:30s the service restarted",
        "+1 min ├ timer 1 min",
        "├ completed",
        "✗ killed at workflow-task:order-1:3:after-report the worker was",
        "killed: the service knew how the workflow had gone on",
    ]
