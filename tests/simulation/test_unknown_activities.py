"""Workflows that call activities which their worker does not know, and that cope with it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from timeskip import Simulation

pytestmark = [pytest.mark.asyncio, pytest.mark.both_lanes]


@activity.defn
async def charge() -> None: ...


@workflow.defn(sandboxed=False)
class CallsTwice:
    """Calls an activity that nobody knows, and copes with that."""

    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.execute_activity(
                "chargee",
                start_to_close_timeout=timedelta(seconds=10),
                retry_policy=RetryPolicy(maximum_attempts=2),
            )
        except ActivityError as error:
            return str(error.cause)
        return "charged"


async def test_workflow_is_told_of_an_unknown_activity_after_its_last_attempt(
    sim: Simulation,
) -> None:
    async with sim.worker(workflows=[CallsTwice], activities=[charge]):
        told = await sim.client.execute_workflow(
            CallsTwice.run, id="order-7", task_queue=sim.task_queue
        )
    assert "Activity function chargee" in told
