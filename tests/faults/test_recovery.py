"""After what happens to a worker the simulated service does what the real one does.

On the real server the worker is a process that gets real signals.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.history.v1 import History
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from tests.conformance.real_server import start_real_server
from tests.faults import mortals
from tests.faults.mortals import SCENARIOS, Scenario
from timeskip import Simulation
from timeskip.histories import EVERYTHING_IGNORED, Ignored, first_difference, normal_form

_IGNORED = EVERYTHING_IGNORED - {Ignored.FAULT_NOISE}
_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED

Handle = WorkflowHandle[Any, Any]


# -- on the real server ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> dict[str, History]:
    """The histories of all scenarios on the real server, where they run at once."""
    return asyncio.run(_on_real_server())


async def _on_real_server() -> dict[str, History]:
    async with await start_real_server() as environment:
        client = environment.client
        for scenario in SCENARIOS.values():
            await environment.create_nexus_endpoint(scenario.name, scenario.name)
        async with contextlib.AsyncExitStack() as stack:
            # For Python to start takes long, and on a busy machine longer than what is timed there.
            pairs = await asyncio.gather(
                *(_processes(stack, client, scenario) for scenario in SCENARIOS.values())
            )
            histories = await asyncio.gather(
                *(
                    _with_processes(client, scenario, *pair)
                    for scenario, pair in zip(SCENARIOS.values(), pairs, strict=True)
                )
            )
    return dict(zip(SCENARIOS, histories, strict=True))


async def _processes(
    stack: contextlib.AsyncExitStack, client: Client, scenario: Scenario
) -> tuple[_Mortal, _Mortal]:
    """One to which something happens, and its successor. Both are up."""
    options = [scenario.happens] if scenario.place else []
    return (
        await stack.enter_async_context(_process(client, scenario.name, *options)),
        await stack.enter_async_context(_process(client, scenario.name)),
    )


async def _with_processes(
    client: Client, scenario: Scenario, mortal: _Mortal, successor: _Mortal
) -> History:
    mortal.begin()
    handle = await client.start_workflow(
        scenario.workflow,
        id=scenario.name,
        task_queue=scenario.name,
        task_timeout=mortals.SHORT,
    )
    if not scenario.place:
        await _until_idle(handle)
    if scenario.happens == "reset":
        await _reset(client, handle)
    elif scenario.happens == "SIGSTOP":
        await _until_next_attempt(handle)
        mortal.process.send_signal(signal.SIGCONT)
    else:
        if not scenario.place:
            mortal.process.kill()
        await mortal.process.wait()
        successor.begin()
    return await _history(handle)


async def _history(handle: Handle) -> History:
    """That of the workflow, once it has ended."""
    await handle.result()
    return History(events=(await handle.fetch_history()).events)


async def _until_idle(handle: Handle) -> None:
    """Wait until the first workflow task is done."""
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == _COMPLETED:
            return


async def _until_next_attempt(handle: Handle) -> None:
    """Wait until the second attempt of its activity was handed out."""
    while True:
        for pending in (await handle.describe()).raw_description.pending_activities:
            is_started = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            if pending.attempt == 2 and is_started:
                return
        await asyncio.sleep(mortals.LOOK_AGAIN)


async def _reset(client: Client, handle: Handle) -> None:
    await client.workflow_service.reset_sticky_task_queue(
        ResetStickyTaskQueueRequest(
            namespace=client.namespace, execution=WorkflowExecution(workflow_id=handle.id)
        )
    )


class _Mortal:
    """A worker's process that is up, but does nothing yet."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def begin(self) -> None:
        """Let it work."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")


@contextlib.asynccontextmanager
async def _process(client: Client, task_queue: str, *options: str) -> AsyncIterator[_Mortal]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.mortals"),
        *(client.service_client.config.target_host, task_queue, *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline()
        yield _Mortal(process)
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            process.kill()
        await process.wait()


# -- simulated ------------------------------------------------------------------------------------


async def _simulated(
    sim: Simulation, worker: AbstractAsyncContextManager[object], name: str, workflow: Any
) -> History:
    await sim.create_nexus_endpoint(name, name)
    async with worker:
        await sim.client.execute_workflow(
            workflow, id=name, task_queue=name, task_timeout=mortals.SHORT
        )
    sim.check_faults()
    return next(run.history for run in sim.runs if run.workflow_id == name)


def _worker(sim: Simulation, task_queue: str) -> AbstractAsyncContextManager[object]:
    return sim.worker(
        task_queue=task_queue,
        workflows=mortals.WORKFLOWS,
        activities=mortals.ACTIVITIES,
        nexus_service_handlers=[mortals.ShopHandler()],
        **mortals.worker_options(task_queue),
    )


def require_the_same(real: History, ours: History) -> None:
    difference = first_difference(normal_form(real, _IGNORED), normal_form(ours, _IGNORED))
    assert difference is None, str(difference)


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("name", SCENARIOS)
async def test_recovery_is_that_of_the_real_server(
    sim: Simulation, real: dict[str, History], name: str
) -> None:
    scenario = SCENARIOS[name]
    sim.faults.add_plan(scenario.fault)
    require_the_same(real[name], await _simulated(sim, _worker(sim, name), name, scenario.workflow))


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("name", SCENARIOS)
async def test_recovery_of_worker_processes_is_that_of_the_real_server(
    real: dict[str, History], name: str
) -> None:
    scenario = SCENARIOS[name]
    with Simulation(lane="wire") as sim:
        sim.faults.add_plan(scenario.fault)
        worker = sim.worker_process("tests.faults.mortals:build", task_queue=name)
        require_the_same(real[name], await _simulated(sim, worker, name, scenario.workflow))


# -- a server that restarts -----------------------------------------------------------------------

_RESTARTED: dict[str, Any] = {"rests": mortals.Rests.run, "wakes-up": mortals.WakesUp.run}


async def _restarted(database: Path) -> dict[str, History]:
    """Their histories on a real server that stores what it knows, and restarts meanwhile."""
    before = await _server(database)
    port = int(before.client.service_client.config.target_host.rpartition(":")[2])
    client = before.client
    async with contextlib.AsyncExitStack() as processes:
        handles = {}
        for name, workflow in _RESTARTED.items():
            mortal = await processes.enter_async_context(_process(client, name))
            mortal.begin()
            handles[name] = await client.start_workflow(
                workflow, id=name, task_queue=name, task_timeout=mortals.SHORT
            )
        await asyncio.gather(*map(_until_idle, handles.values()))
        await before.shutdown()
        async with await _server(database, port) as after:
            again = {name: after.client.get_workflow_handle(name) for name in handles}
            return {name: await _history(handle) for name, handle in again.items()}


async def _server(database: Path, port: int | None = None) -> WorkflowEnvironment:
    return await WorkflowEnvironment.start_local(
        port=port,
        dev_server_existing_path=shutil.which("temporal"),
        dev_server_database_filename=str(database),
        dev_server_log_level="error",
    )


@pytest.mark.slow
@pytest.mark.asyncio
async def test_restart_is_that_of_the_real_server(tmp_path: Path) -> None:
    real = await _restarted(tmp_path / "database")
    for lane in ("direct", "wire"):
        for name, workflow in _RESTARTED.items():
            with Simulation(lane=lane) as sim:
                sim.faults.add_plan("restart-server at time:1s")
                require_the_same(
                    real[name], await _simulated(sim, _worker(sim, name), name, workflow)
                )
