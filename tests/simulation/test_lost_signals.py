"""What a test is told whose workflow waits for a signal that the run before it has had."""

from __future__ import annotations

import pytest
from temporalio import workflow

from timeskip import Simulation, SimulationStuck

pytestmark = [pytest.mark.asyncio, pytest.mark.both_lanes]


@workflow.defn
class Inbox:
    """Forgets what it has not handled when it continues as new."""

    def __init__(self) -> None:
        self._letters: list[str] = []

    @workflow.signal
    def write(self, letter: str) -> None:
        self._letters.append(letter)

    @workflow.run
    async def run(self, read: int) -> None:
        await workflow.wait_condition(lambda: bool(self._letters))
        if read < 2:
            workflow.continue_as_new(read + 1)


async def test_signals_that_were_lost_are_told(sim: Simulation) -> None:
    handle = await sim.client.start_workflow(Inbox.run, 1, id="inbox", task_queue=sim.task_queue)
    await handle.signal(Inbox.write, "one")
    await handle.signal(Inbox.write, "two")
    async with sim.worker(workflows=[Inbox]):
        with pytest.raises(SimulationStuck, match="it continues as new a run that got 2 signals"):
            await handle.result()
