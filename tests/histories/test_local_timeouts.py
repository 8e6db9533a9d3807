"""Local activities that timed out: the core tells of them otherwise in a replay, and is forgiven."""

from __future__ import annotations

import asyncio
import itertools
import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import temporalio.exceptions
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

import timeskip.histories
from timeskip import ReplayWarning, Simulation, WorkflowNotDeterministic
from timeskip.histories import History

pytestmark = pytest.mark.asyncio

SOON = timedelta(seconds=10)

TIMEOUTS: dict[str, dict[str, Any]] = {
    "all of it": {"schedule_to_close_timeout": SOON},
    "one attempt": {
        "start_to_close_timeout": SOON,
        "retry_policy": RetryPolicy(maximum_attempts=1),
    },
    "the last attempt": {
        "start_to_close_timeout": SOON,
        "retry_policy": RetryPolicy(maximum_attempts=3),
    },
    "an attempt after a timer": {
        "start_to_close_timeout": SOON,
        "retry_policy": RetryPolicy(maximum_attempts=2, initial_interval=timedelta(hours=1)),
    },
}


@activity.defn
async def wait_for_stock(item: str) -> str:
    await asyncio.sleep(10_000)
    return item


@activity.defn
async def notify(text: str) -> str:
    return text


@workflow.defn(sandboxed=False)
class Order:
    """Goes on only after what a worker is told at first."""

    @workflow.run
    async def run(self, what: str) -> str:
        try:
            await workflow.execute_local_activity(wait_for_stock, "a", **TIMEOUTS[what])
        except ActivityError as error:
            told = f"{error.activity_type}: {type(error.cause).__name__}"
            return await workflow.execute_activity(notify, told, start_to_close_timeout=SOON)
        return "in stock"


@workflow.defn(name="Order", sandboxed=False)
class Careful:
    """Goes on after both."""

    @workflow.run
    async def run(self, what: str) -> str:
        try:
            await workflow.execute_local_activity(wait_for_stock, "a", **TIMEOUTS[what])
        except (ActivityError, temporalio.exceptions.TimeoutError):
            return await workflow.execute_activity(notify, "late", start_to_close_timeout=SOON)
        return "in stock"


tries = itertools.count()


@workflow.defn(name="Order", sandboxed=False)
class Numbered:
    """Does something else each time, besides."""

    @workflow.run
    async def run(self, what: str) -> str:
        try:
            await workflow.execute_local_activity(wait_for_stock, "a", **TIMEOUTS[what])
        except ActivityError:
            if next(tries) % 2 == 0:
                await workflow.execute_activity(notify, "late", start_to_close_timeout=SOON)
        return "not in stock"


async def order(sim: Simulation, kind: Any, what: str = "all of it") -> History:
    """The history of an order that waited in vain."""
    async with sim.worker(workflows=[kind], activities=[wait_for_stock, notify]):
        await sim.client.execute_workflow("Order", what, id="order", task_queue=sim.task_queue)
        return await sim.history("order")


@pytest.fixture
def sim() -> Iterator[Simulation]:
    with Simulation(lane="direct", auto_replay=False) as simulation:
        yield simulation


@pytest.mark.parametrize("what", TIMEOUTS)
async def test_run_that_the_core_alone_refuses_passes_with_a_warning(
    sim: Simulation, what: str
) -> None:
    recorded = await order(sim, Order, what)
    with pytest.warns(ReplayWarning, match=r"workflow 'order' \(Order\).*bug of its own"):
        sim.check_replays()
    with pytest.raises(WorkflowNotDeterministic, match="a bug of the SDK's core"):
        timeskip.histories.replay(recorded, workflows=[Order])


async def test_recorded_history_that_the_core_alone_refuses_is_no_failure(sim: Simulation) -> None:
    assert sim.replay_failure(await order(sim, Order)) is None


async def test_nobody_is_warned_of_a_workflow_that_goes_on_in_both_cases(sim: Simulation) -> None:
    await order(sim, Careful)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sim.check_replays()


async def test_what_else_is_not_deterministic_is_found(sim: Simulation) -> None:
    await order(sim, Numbered)
    with pytest.raises(WorkflowNotDeterministic) as failure:
        sim.check_replays()
    explanation = failure.value.explanation
    assert explanation is not None
    assert explanation.recorded == 'activity notify("late")'
    assert explanation.cause.kind == "state outside of the workflow"
    assert "`tries`" in str(explanation)
