"""Crash points: which there are, what they are called, and what a pattern includes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from tests.faults import orders
from timeskip import Simulation
from timeskip.faults import CrashPoint, CrashPoints


def point(name: str, short: str = "") -> CrashPoint:
    """A point as far as its names go."""
    return CrashPoint(name, short or name, name.partition(":")[0], name.rpartition(":")[2])


CHARGE = point(
    "activity:order-1/charge_card#1:before-report", "activity:charge_card#1:before-report"
)


@pytest.mark.parametrize(
    "pattern",
    [
        "activity:order-1/charge_card#1:before-report",
        "activity:charge_card#1:before-report",
        "activity:charge_card#1",
        "activity:charge_card",
        "activity",
        "activity:*:before-report",
        "activity:order-*/charge_card",
        "*:before-report",
    ],
)
def test_pattern_includes(pattern: str) -> None:
    assert CHARGE.matches(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "activity:charge",
        "activity:charge_card#2",
        "activity:charge_card#1:before",
        "activity:charge_card#1:before-start",
        "activity:order-2/charge_card",
        "heartbeat:charge_card",
        "activity:charge.card",
    ],
)
def test_pattern_does_not_include(pattern: str) -> None:
    assert not CHARGE.matches(pattern)


def test_ids_are_shortened_where_that_leaves_no_doubt() -> None:
    points = CrashPoints()
    points.add(CHARGE)
    assert points.name(CHARGE) == "activity:charge_card#1:before-report"
    points.add(
        point(
            "activity:order-2/charge_card#1:before-report", "activity:charge_card#1:before-report"
        )
    )
    assert points.name(CHARGE) == "activity:order-1/charge_card#1:before-report"


def test_nearest_names_are_suggested() -> None:
    points = CrashPoints()
    points.add(CHARGE)
    points.add(point("workflow-task:order-1:1:before-report"))
    assert points.nearest("activity:charge_crad#1:before-report") == [
        "activity:charge_card#1:before-report"
    ]


@pytest.mark.asyncio
async def test_run_comes_by_its_crash_points(sim: Simulation) -> None:
    points = sim.crash_points
    async with sim.worker(workflows=orders.WORKFLOWS, activities=orders.ACTIVITIES):
        handle = await sim.client.start_workflow(
            orders.Order.run, "o-1", id="order-1", task_queue=sim.task_queue
        )
        await handle.signal(orders.Order.approve, "Ada")
        await handle.execute_update(orders.Order.note, "urgent")
        await handle.query(orders.Order.approved_by)
        await handle.result()
    names = str(points).splitlines()
    assert {
        "workflow-task:order-1:1:before-report",
        "workflow-task:order-1:1:after-report",
        "workflow-task:order-1/Shipping#1:1:before-report",
        "sticky-cache:order-1:2",
        "local-activity:weigh#1:before-start",
        "local-activity:weigh#1:before-report",
        "activity:charge_card#1:before-start",
        "activity:charge_card#1:before-report",
        "heartbeat:import_items#1:2:before-report",
        "heartbeat:import_items#1:2:after-report",
        "query:approved_by#1:before-start",
        "query:approved_by#1:before-report",
        "query:approved_by#1:after-report",
        "update:note#1:before-accept",
        "update:note#1:after-complete",
        "server-restart:1",
    } <= set(names)
    charged = points.of("activity:charge_card#1:before-report")[0]
    assert (charged.kind, charged.moment, charged.subject) == (
        "activity",
        "before-report",
        "charge_card",
    )
    assert (charged.workflow_id, charged.workflow_type) == ("order-1", "Order")


@activity.defn
async def flaky() -> int:
    attempt = activity.info().attempt
    if attempt < 2:
        raise RuntimeError("not yet")
    return attempt


@workflow.defn
class Calls:
    """Calls one activity twice, then continues as new once."""

    @workflow.run
    async def run(self, again: bool) -> None:
        for _ in range(2):
            await workflow.execute_activity(
                flaky,
                start_to_close_timeout=timedelta(seconds=10),
                retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1)),
            )
        if again:
            workflow.continue_as_new(False)


@pytest.mark.asyncio
async def test_calls_attempts_and_runs_are_told_apart(sim: Simulation) -> None:
    points = sim.crash_points
    async with sim.worker(workflows=[Calls], activities=[flaky]):
        await sim.client.execute_workflow(Calls.run, True, id="calls", task_queue=sim.task_queue)
    started = [each.id for each in points if each.moment == "before-start"]
    assert started == [
        f"activity:{run}/{call}#{attempt}:before-start"
        for run in ("calls", "calls@2")
        for call in ("flaky", "flaky@2")
        for attempt in (1, 2)
    ]


@pytest.mark.asyncio
async def test_made_up_ids_do_not_get_into_names(sim: Simulation) -> None:
    points = sim.crash_points
    made_up = "b6c0f2d4-16d4-4b1c-8d5d-0a4f3a2b1c0d"
    async with sim.worker(workflows=[orders.Shipping]):
        for workflow_id in (made_up, f"order-{made_up}"):
            await sim.client.execute_workflow(
                orders.Shipping.run, "x", id=workflow_id, task_queue=sim.task_queue
            )
    first = [each.id for each in points if each.id.endswith(":1:before-report")]
    assert first == [
        "workflow-task:Shipping#1:1:before-report",
        "workflow-task:order-#1:1:before-report",
    ]
