"""The real `Replayer`s that stay ready, and how they end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import threading
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import UnsandboxedWorkflowRunner

from timeskip import Simulation
from timeskip.errors import ReplayFailed
from timeskip.histories import replay
from timeskip.histories.replaying import core
from timeskip.histories.replaying.core import ReplayThread, replay_thread
from timeskip.histories.replaying.settings import ReplaySettings


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
    async def without_end(replayer: core._ReadyReplayer) -> AsyncIterator[WorkflowHistory]:
        while True:
            history = await replayer._histories.get()
            if history is not None:
                yield history

    monkeypatch.setattr(core._ReadyReplayer, "_fed", without_end)
    monkeypatch.setattr(core, "_FAREWELL_SECONDS", 0.05)
    thread = ReplayThread()
    settings = ReplaySettings((Nap,), workflow_runner=UnsandboxedWorkflowRunner())
    assert thread.run(thread.verdicts(settings, [await nap()])) == [None]
    thread.close()


@pytest.mark.asyncio
async def test_history_with_which_the_core_does_not_get_on_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core, "_PATIENCE", 0.05)
    whole = await nap()

    async def nothing(replayer: core._ReadyReplayer) -> AsyncIterator[WorkflowHistory]:
        await asyncio.get_running_loop().create_future()
        yield whole

    with monkeypatch.context() as stuck:
        stuck.setattr(core._ReadyReplayer, "_fed", nothing)
        thread = ReplayThread()
        settings = ReplaySettings((Nap,), workflow_runner=UnsandboxedWorkflowRunner())
        with pytest.raises(core.BrokenHistory, match="'nap' cannot be replayed"):
            thread.run(thread.verdicts(settings, [whole]))
    monkeypatch.setattr(core, "_PATIENCE", 60.0)
    assert thread.run(thread.verdicts(settings, [whole])) == [None]
    thread.close()


@pytest.mark.asyncio
async def test_what_nobody_waits_for_any_more_is_not_replayed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = await nap()
    replayed: list[WorkflowHistory] = []
    is_given_up = threading.Event()

    async def verdict(replayer: core._ReadyReplayer, history: WorkflowHistory) -> None:
        replayed.append(history)
        is_given_up.wait()

    monkeypatch.setattr(core._ReadyReplayer, "verdict", verdict)
    thread = ReplayThread()
    settings = ReplaySettings((Nap,), workflow_runner=UnsandboxedWorkflowRunner())
    with pytest.raises(concurrent.futures.TimeoutError):
        thread.run(thread.verdicts(settings, [whole] * 10), timeout=0)
    is_given_up.set()
    thread.close()
    assert len(replayed) <= 1


@pytest.mark.asyncio
async def test_tests_share_a_replayer() -> None:
    made = []
    for _ in range(2):
        async with Simulation() as sim:
            async with sim.worker(workflows=[Nap]):
                await sim.client.execute_workflow(Nap.run, id="nap", task_queue=sim.task_queue)
            sim.check_replays()
        made.append(replay_thread()._ready[-1])
    assert made[0] is made[1]


@workflow.defn
class Troubled:
    """Fails in one of the ways in which replays fail: that is left to the SDK."""

    @workflow.run
    async def run(self) -> None:
        if not workflow.unsafe.is_replaying():
            return
        if way == "deadlock":
            while True:
                pass
        raise ValueError("only in a replay")


way = "error"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("failure", "told"),
    [
        ("error", "ValueError: only in a replay"),
        pytest.param("deadlock", "Potential deadlock detected", marks=pytest.mark.slow),
    ],
)
async def test_replay_that_fails_is_told_by_the_sdk(
    failure: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.way", failure)
    runner = UnsandboxedWorkflowRunner()
    async with Simulation(auto_replay=False) as sim:
        async with sim.worker(workflows=[Troubled], workflow_runner=runner):
            handle = await sim.client.start_workflow(
                Troubled.run, id="troubled", task_queue=sim.task_queue
            )
            await handle.result()
        history = await handle.fetch_history()
    with pytest.raises(ReplayFailed, match=told):
        replay(history, workflows=[Troubled], workflow_runner=runner)
    gc.collect()  # what a deadlock leaves behind is logged when it goes: not in another test


@pytest.mark.asyncio
async def test_workflow_without_a_class_is_told_by_the_sdk() -> None:
    with pytest.raises(ReplayFailed, match="Nap is not registered"):
        replay(await nap(), workflows=[Troubled])
