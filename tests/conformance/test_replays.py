"""The check that the SDK's core accepts histories: it has to see one that it does not accept."""

from __future__ import annotations

import pytest
from temporalio import workflow

from tests.conformance import orders
from tests.conformance.replays import HistoryRefusedError, require_replayable
from timeskip import RunRecord, Simulation


@workflow.defn(name="Greeting")
class OtherGreeting:
    @workflow.run
    async def run(self, name: str) -> str:
        await workflow.sleep(1)
        return f"Hello, {name}!"


@pytest.fixture
def runs(sim: Simulation) -> list[RunRecord]:
    async def greet() -> None:
        async with sim.worker(workflows=[orders.Greeting]):
            await sim.client.execute_workflow(
                orders.Greeting.run, "Ada", id="greeting", task_queue=sim.task_queue
            )

    sim.run(greet())
    return sim.runs


async def test_history_is_accepted(runs: list[RunRecord]) -> None:
    await require_replayable(runs, [orders.Greeting])


async def test_history_of_other_code_is_refused(runs: list[RunRecord]) -> None:
    with pytest.raises(HistoryRefusedError, match="refuses the history of 'greeting'"):
        await require_replayable(runs, [OtherGreeting])


async def test_history_of_code_that_changed_is_left_out(runs: list[RunRecord]) -> None:
    await require_replayable(runs, [orders.Greeting, OtherGreeting])
    await require_replayable(runs, [orders.Order])
