"""Runs programs in a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import TemporalError
from temporalio.worker import UnsandboxedWorkflowRunner

from tests.lanes.programs.generator import Deed
from tests.lanes.programs.interpreter import (
    ACTIVITIES,
    DISTRICT,
    ENDPOINT,
    WORKFLOWS,
    Office,
    Program,
    Step,
)
from timeskip import RunRecord, Simulation

#: In units: how long a program may run, and all runs of its chain together.
RUN, CHAIN = 300, 1000


async def run_program(
    program: Step, script: Sequence[Deed], seed: int, **worker_options: Any
) -> list[RunRecord]:
    """All runs that come of a program in the direct lane, units being seconds."""
    async with Simulation(
        lane="direct", seed=seed, auto_replay=False, search_attributes=[DISTRICT]
    ) as sim:
        await sim.create_nexus_endpoint(ENDPOINT, sim.task_queue)
        async with sim.worker(
            workflows=WORKFLOWS,
            activities=ACTIVITIES,
            nexus_service_handlers=[Office()],
            workflow_runner=UnsandboxedWorkflowRunner(),
            **worker_options,
        ):
            handle = await sim.client.start_workflow(
                Program.run,
                {"unit": 1.0, "main": program},
                id="program",
                task_queue=sim.task_queue,
                run_timeout=timedelta(seconds=RUN),
                execution_timeout=timedelta(seconds=CHAIN),
            )
            for at, what, step in script:
                sim.at(timedelta(seconds=at), _do, handle, what, step)
            with suppress(WorkflowFailureError):
                await handle.result()
            # What others were left to do ends as well.
            await sim.sleep(CHAIN)
        return sim.runs


async def _do(handle: WorkflowHandle[Any, Any], what: str, step: Step | None) -> None:
    with suppress(TemporalError):
        if what == "signal":
            await handle.signal("poke", step)
        elif what == "update":
            await handle.execute_update("ask", step)
        elif what == "query":
            await handle.query("log")
        elif what == "cancel":
            await handle.cancel()
        else:
            await handle.terminate()
