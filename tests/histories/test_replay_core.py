"""The real `Replayer`s that stay ready, and how they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import UnsandboxedWorkflowRunner

from timeskip import Simulation
from timeskip.histories import replay_core
from timeskip.histories.replay_core import ReplayThread
from timeskip.histories.replay_settings import ReplaySettings


@workflow.defn
class Nap:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(days=1))


async def nap() -> WorkflowHistory:
    async with Simulation(auto_replay=False) as sim:
        async with sim.worker(workflows=[Nap]):
            handle = await sim.client.start_workflow(Nap.run, id="nap", task_queue=sim.task_queue)
            await handle.result()
        return await handle.fetch_history()


@pytest.mark.asyncio
async def test_replayer_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def without_end(replayer: replay_core._ReadyReplayer) -> AsyncIterator[WorkflowHistory]:
        while True:
            history = await replayer._histories.get()
            if history is not None:
                yield history

    monkeypatch.setattr(replay_core._ReadyReplayer, "_fed", without_end)
    monkeypatch.setattr(replay_core, "_FAREWELL_SECONDS", 0.05)
    thread = ReplayThread()
    settings = ReplaySettings((Nap,), workflow_runner=UnsandboxedWorkflowRunner())
    assert thread.run(thread.verdicts(settings, [await nap()])) == [None]
    thread.close()
