"""Activities that are completed from outside of their worker: that is not the worker's doing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import AsyncActivityHandle

from timeskip import Simulation
from timeskip.errors import FaultImpossible

_tokens: list[bytes] = []


@activity.defn
async def ask() -> None:
    _tokens.append(activity.info().task_token)
    activity.raise_complete_async()


@workflow.defn
class Asks:
    """Returns what it is told."""

    @workflow.run
    async def run(self) -> str:
        answer: str = await workflow.execute_activity(
            "ask", start_to_close_timeout=timedelta(hours=1), result_type=str
        )
        return answer


async def asks(sim: Simulation) -> str:
    _tokens.clear()
    async with sim.worker(workflows=[Asks], activities=[ask]):
        handle = await sim.client.start_workflow(Asks.run, id="asks", task_queue=sim.task_queue)
        await sim.run_until(timedelta(minutes=90))
        await asked(sim).heartbeat("soon")
        await asked(sim).complete("yes")
        return await handle.result()


def asked(sim: Simulation) -> AsyncActivityHandle:
    return sim.client.get_async_activity_handle(task_token=_tokens[-1])


@pytest.mark.asyncio
async def test_worker_is_not_there_when_a_client_completes_its_activity(sim: Simulation) -> None:
    points = sim.crash_points
    assert await asks(sim) == "yes"
    assert [str(point) for point in points.of("activity")] == [
        "activity:asks/ask#1:before-start",
        "activity:asks/ask#2:before-start",
    ]
    assert not points.of("heartbeat")


@pytest.mark.asyncio
async def test_worker_that_had_the_activity_may_die(sim: Simulation) -> None:
    sim.faults.kill_worker(at="time:1s")
    assert await asks(sim) == "yes"


@pytest.mark.asyncio
async def test_worker_cannot_be_killed_where_a_client_is(sim: Simulation) -> None:
    sim.faults.kill_worker(at="activity:ask#2:before-report")
    with pytest.raises(FaultImpossible, match="no worker is at activity:asks/ask#2:before-report"):
        await asks(sim)


@pytest.mark.asyncio
async def test_answer_to_the_client_can_be_lost(sim: Simulation) -> None:
    sim.faults.lose_response(at="activity:ask#2:before-report")
    assert await asks(sim) == "yes"
