"""A workflow and an activity that compare their clocks."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta, timezone

from temporalio import activity, workflow
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError


@activity.defn
async def read_clocks(asked_at: datetime) -> list[float]:
    """After a minute: when it was asked, and the time now in two ways, in seconds."""
    await asyncio.sleep(60)
    return [asked_at.timestamp(), datetime.now(timezone.utc).timestamp(), time.time()]


@workflow.defn
class ClockWorkflow:
    """Runs in the sandbox, which forbids it to ask for the time by itself."""

    @workflow.run
    async def run(self) -> list[float]:
        """After a day, the times that the workflow and the activity see, in seconds."""
        for forbidden in ("datetime.now()", "time.time()"):
            try:
                eval(forbidden)
            except RestrictedWorkflowAccessError:
                continue
            raise AssertionError(f"the sandbox allowed {forbidden}")
        await workflow.sleep(timedelta(days=1))
        readings = await workflow.execute_activity(
            read_clocks, workflow.now(), start_to_close_timeout=timedelta(minutes=2)
        )
        return [*readings, workflow.now().timestamp()]
