"""After the death of a worker the simulated service does what the real one does.

On the real server the worker is a process that gets a SIGKILL.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History
from temporalio.client import Client, WorkflowHandle

from tests.conformance.real_server import start_real_server
from tests.faults import mortals
from tests.faults.mortals import SCENARIOS, Scenario
from timeskip import Simulation
from timeskip.histories import EVERYTHING_IGNORED, Ignored, first_difference, normal_form

_IGNORED = EVERYTHING_IGNORED - {Ignored.FAULT_NOISE}
_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


@pytest.fixture(scope="module")
def real() -> dict[str, History]:
    """The histories of all scenarios on the real server, where they run at once."""
    return asyncio.run(_on_real_server())


async def _on_real_server() -> dict[str, History]:
    async with await start_real_server() as environment:
        client = environment.client
        for scenario in SCENARIOS.values():
            await environment.create_nexus_endpoint(scenario.name, scenario.name)
        histories = await asyncio.gather(
            *(_with_processes(client, scenario) for scenario in SCENARIOS.values())
        )
    return dict(zip(SCENARIOS, histories, strict=True))


async def _with_processes(client: Client, scenario: Scenario) -> History:
    async with _process(client, scenario, "dies") as mortal:
        handle = await client.start_workflow(
            scenario.workflow,
            id=scenario.name,
            task_queue=scenario.name,
            task_timeout=mortals.SHORT,
        )
        if not scenario.place:
            await _until_idle(handle)
            mortal.kill()
        await mortal.wait()
    async with _process(client, scenario):
        await handle.result()
        return History(events=(await handle.fetch_history()).events)


async def _until_idle(handle: WorkflowHandle[object, object]) -> None:
    """Wait until the first workflow task is done."""
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == _COMPLETED:
            return


@contextlib.asynccontextmanager
async def _process(
    client: Client, scenario: Scenario, *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    address = client.service_client.config.target_host
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.mortals", address, scenario.name, *options
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            process.kill()
        await process.wait()


async def _simulated(sim: Simulation, scenario: Scenario) -> History:
    sim.faults.kill_worker(at=scenario.fault)
    await sim.create_nexus_endpoint(scenario.name, scenario.name)
    async with sim.worker(
        task_queue=scenario.name,
        workflows=mortals.WORKFLOWS,
        activities=mortals.ACTIVITIES,
        nexus_service_handlers=[mortals.ShopHandler()],
        **mortals.WORKER_OPTIONS,
    ):
        await sim.client.execute_workflow(
            scenario.workflow,
            id=scenario.name,
            task_queue=scenario.name,
            task_timeout=mortals.SHORT,
        )
    sim.check_faults()
    return next(run.history for run in sim.runs if run.workflow_id == scenario.name)


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("name", SCENARIOS)
async def test_recovery_is_that_of_the_real_server(
    sim: Simulation, real: dict[str, History], name: str
) -> None:
    ours = await _simulated(sim, SCENARIOS[name])
    difference = first_difference(normal_form(real[name], _IGNORED), normal_form(ours, _IGNORED))
    assert difference is None, str(difference)
