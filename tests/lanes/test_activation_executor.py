"""Workflows run on the loop of their worker; one that never yields is stopped all the same."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from timeskip import Simulation, WorkflowTaskFailed
from timeskip.lanes import activation_executor
from timeskip.lanes.selection import LaneName

lanes = pytest.mark.parametrize("lane", ["wire", "direct"])

variable = contextvars.ContextVar("variable", default="unset")


@workflow.defn
class Circle:
    """Never yields."""

    @workflow.run
    async def run(self) -> None:
        while True:
            pass


@workflow.defn
class Doze:
    """Blocks for longer than a workflow may, in a call that nothing can interrupt."""

    @workflow.run
    async def run(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - the mistake in question


@workflow.defn
class Where:
    """Tells which thread it runs on before and after a sleep, and the value of a variable."""

    @workflow.run
    async def run(self) -> list[str]:
        before = threading.current_thread().name
        await workflow.sleep(timedelta(days=1))
        return [before, threading.current_thread().name, variable.get()]


@workflow.defn(sandboxed=False)
class Lock:
    """Waits for a lock that is never released."""

    @workflow.run
    async def run(self) -> None:
        threading.Event().wait()


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation_executor, "_TICK", 0.005)


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("subject", [Circle, Doze, Lock])
@lanes
def test_workflow_that_does_not_yield_fails_its_task(lane: LaneName, subject: type) -> None:
    async def deadlock() -> None:
        async with (
            Simulation(lane=lane) as sim,
            sim.worker(workflows=[Circle, Doze, Lock], workflow_runner=UnsandboxedWorkflowRunner()),
        ):
            await sim.client.execute_workflow(
                subject.__name__,
                args=[0.3] if subject is Doze else [],
                id="deadlock",
                task_queue=sim.task_queue,
            )

    with pytest.raises(WorkflowTaskFailed, match="Potential deadlock detected") as caught:
        asyncio.run(deadlock())
    # It says where the workflow was at that time.
    assert "test_activation_executor.py" in str(caught.value)


@pytest.mark.usefixtures("short_patience")
@lanes
def test_patience_with_workflows_is_what_their_worker_has(lane: LaneName) -> None:
    async def doze(seconds: int | None) -> None:
        async with Simulation(lane=lane) as sim:
            worker = Worker(
                sim.client,
                task_queue="doze",
                workflows=[Doze],
                workflow_runner=UnsandboxedWorkflowRunner(),
                debug_mode=seconds is None,
            )
            async with worker:
                assert worker._workflow_worker is not None
                worker._workflow_worker._deadlock_timeout_seconds = seconds
                await sim.client.execute_workflow(Doze.run, 0.3, id="doze", task_queue="doze")

    asyncio.run(doze(None))
    with pytest.raises(WorkflowTaskFailed, match=r"didn't yield within 1 second\(s\)"):
        asyncio.run(doze(1))


async def where(sim: Simulation, **options: Any) -> list[str]:
    variable.set("the test's")
    async with sim.worker(
        workflows=[Where], workflow_runner=UnsandboxedWorkflowRunner(), **options
    ):
        return await sim.client.execute_workflow(Where.run, id="where", task_queue=sim.task_queue)


@lanes
def test_workflows_run_on_the_loop_but_not_in_the_tests_context(lane: LaneName) -> None:
    async def run() -> list[str]:
        async with Simulation(lane=lane) as sim:
            return await where(sim)

    here = threading.current_thread().name
    assert asyncio.run(run()) == [here, here, "unset"]


@lanes
def test_executor_of_the_users_is_used(lane: LaneName) -> None:
    async def run() -> list[str]:
        async with Simulation(lane=lane) as sim:
            with ThreadPoolExecutor(1, thread_name_prefix="users") as pool:
                return await where(sim, workflow_task_executor=pool)

    assert asyncio.run(run())[:2] == ["users_0", "users_0"]


@pytest.mark.usefixtures("short_patience")
def test_workflow_that_is_made_slow_may_take_longer() -> None:
    async def doze() -> None:
        runner = UnsandboxedWorkflowRunner()
        async with sim, sim.worker(workflows=[Doze], workflow_runner=runner) as worker:
            executor = worker._workflow_worker._workflow_task_executor  # type: ignore[union-attr]
            assert isinstance(executor, activation_executor.ActivationExecutor)
            with executor.slowed(1000):
                await sim.client.execute_workflow(
                    Doze.run, 0.3, id="doze", task_queue=sim.task_queue
                )

    sim = Simulation(auto_replay=False)
    asyncio.run(doze())
