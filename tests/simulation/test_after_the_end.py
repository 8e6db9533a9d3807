"""A workflow that asks for something after it has ended: the server refuses all of its answer."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.worker import UnsandboxedWorkflowRunner

from timeskip import Simulation, TooManyAttempts, WorkflowTaskFailed
from timeskip.lanes.selection import LaneName

pytestmark = pytest.mark.both_lanes


@activity.defn
async def tidy_up() -> None:
    """It does not come to that."""


@workflow.defn
class Hasty:
    """Takes what comes first, and does not wait for the other, which tidies up when cancelled."""

    @workflow.run
    async def run(self) -> None:
        both = [asyncio.create_task(self._give_up()), asyncio.create_task(self._work())]
        _, slower = await workflow.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in slower:
            task.cancel()

    async def _give_up(self) -> None:
        """At once."""

    async def _work(self) -> None:
        try:
            await workflow.execute_activity(
                tidy_up,
                start_to_close_timeout=timedelta(seconds=5),
                cancellation_type=workflow.ActivityCancellationType.ABANDON,
            )
        finally:
            await workflow.execute_activity(tidy_up, start_to_close_timeout=timedelta(seconds=5))


async def execute(sim: Simulation) -> None:
    async with sim.worker(
        workflows=[Hasty], activities=[tidy_up], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        await sim.client.execute_workflow(Hasty.run, id="hasty", task_queue=sim.task_queue)


async def test_request_after_the_end_is_told(sim: Simulation) -> None:
    with pytest.raises(WorkflowTaskFailed) as told:
        await execute(sim)
    assert str(told.value).startswith(
        "workflow 'hasty' (Hasty) cannot go on: its workflow task failed (UNSPECIFIED).\n\n"
        "invalid command sequence: [CompleteWorkflowExecution, ScheduleActivityTask], "
        "command CompleteWorkflowExecution must be the last command.\n\n"
        "The workflow ended, and a task of its own that it did not wait for asked for something"
    )


@pytest.mark.asyncio
async def test_request_after_the_end_is_refused_until_it_is_too_often(lane: LaneName) -> None:
    async with Simulation(lane=lane, max_activity_attempts=3, auto_replay=False) as sim:
        with sim.expect_workflow_task_failures(), pytest.raises(TooManyAttempts):
            await execute(sim)
        # Each attempt times out.
        assert sim.elapsed == timedelta(seconds=20)
