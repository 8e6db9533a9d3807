"""Lower limits than the real server's, to test what workflows do at them."""

from __future__ import annotations

import asyncio

import pytest
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import TerminatedError

import timeskip


@workflow.defn
class Steps:
    """Sleeps fifty times. A `wise` one starts anew when it is told to, three times at most."""

    @workflow.run
    async def run(self, wise: bool, done: int) -> int:
        """How often it has started anew."""
        slept = 0
        while slept < 50:
            await asyncio.sleep(60)
            slept += 1
            if wise and workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(args=[True, done + 1])
            if done == 3:
                return done
        return done


async def runs_of(sim: timeskip.Simulation, wise: bool) -> int:
    """Run the workflow to its end."""
    async with sim.worker(workflows=[Steps]):
        return await sim.client.execute_workflow(
            Steps.run, args=[wise, 0], id="steps", task_queue=sim.task_queue
        )


@pytest.mark.timeskip(limits=timeskip.Limits(suggest_continue_as_new_events=20))
async def test_workflow_is_told_to_continue_as_new(sim: timeskip.Simulation) -> None:
    assert await runs_of(sim, wise=True) == 3


@pytest.mark.timeskip(limits=timeskip.Limits(history_events=100))
async def test_workflow_whose_history_is_too_long_is_terminated(sim: timeskip.Simulation) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await runs_of(sim, wise=False)
    assert isinstance(failed.value.cause, TerminatedError)
