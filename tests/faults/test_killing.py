"""A worker dies: what is gone, what the service does about it, and who goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.common import RetryPolicy
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from tests.faults import orders
from tests.faults.orders import ledger
from timeskip import Simulation
from timeskip.errors import SimulationStuck

_SECOND = timedelta(seconds=1)


def events(sim: Simulation, kind: EventType.ValueType) -> list[HistoryEvent]:
    """The events of a kind in the history of the only run."""
    (run,) = sim.runs
    return [event for event in run.history.events if event.event_type == kind]


@activity.defn
async def charge() -> str:
    ledger.entries.append("charge")
    return "receipt"


@workflow.defn
class Charges:
    """Charges once, or so it seems."""

    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(charge, start_to_close_timeout=timedelta(minutes=1))


@workflow.defn
class Naps:
    """Sleeps for five seconds."""

    @workflow.run
    async def run(self) -> None:
        await asyncio.sleep(5)


async def run_charges(sim: Simulation) -> str:
    async with sim.worker(workflows=[Charges], activities=[charge]):
        return await sim.client.execute_workflow(
            Charges.run, id="charges", task_queue=sim.task_queue
        )


@pytest.mark.asyncio
async def test_activity_that_was_done_but_not_reported_is_done_again(sim: Simulation) -> None:
    fault = sim.faults.kill_worker(at="activity:charge#1:before-report")
    assert await run_charges(sim) == "receipt"
    assert fault.count == 1
    assert ledger.count("charge") == 2
    assert sim.elapsed == timedelta(seconds=61)  # start-to-close timeout, first retry interval
    (started,) = events(sim, EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    attributes = started.activity_task_started_event_attributes
    assert attributes.attempt == 2
    failure = attributes.last_failure.timeout_failure_info
    assert failure.timeout_type == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE


@pytest.mark.asyncio
async def test_activity_that_had_not_begun_is_done_once(sim: Simulation) -> None:
    sim.faults.kill_worker(at="activity:charge#1:before-start")
    assert await run_charges(sim) == "receipt"
    assert ledger.count("charge") == 1


@pytest.mark.asyncio
async def test_workflow_task_times_out_and_is_tried_again(sim: Simulation) -> None:
    sim.faults.kill_worker(at="workflow-task:charges:1:before-report")
    assert await run_charges(sim) == "receipt"
    assert sim.elapsed == timedelta(seconds=10)
    (timed_out,) = events(sim, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT)
    attributes = timed_out.workflow_task_timed_out_event_attributes
    assert attributes.timeout_type == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE


@pytest.mark.asyncio
async def test_sticky_task_waits_for_the_dead_worker_and_then_goes_to_another(
    sim: Simulation,
) -> None:
    sim.faults.kill_worker(at="workflow-task:naps:1:after-report")
    async with sim.worker(workflows=[Naps]):
        await sim.client.execute_workflow(Naps.run, id="naps", task_queue=sim.task_queue)
    (timed_out,) = events(sim, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT)
    attributes = timed_out.workflow_task_timed_out_event_attributes
    assert attributes.timeout_type == TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START
    assert sim.elapsed == timedelta(seconds=5 + 10)


@pytest.mark.asyncio
async def test_task_on_its_way_to_the_dead_worker_is_lost(sim: Simulation) -> None:
    sim.faults.kill_worker(at="workflow-task:charges:1:after-report")
    assert await run_charges(sim) == "receipt"
    assert ledger.count("charge") == 1
    (started,) = events(sim, EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    assert started.activity_task_started_event_attributes.attempt == 2


@pytest.mark.asyncio
async def test_heartbeat_details_outlive_the_worker(sim: Simulation) -> None:
    sim.faults.kill_worker(at="heartbeat:import_items#1:2:after-report")
    async with sim.worker(workflows=orders.WORKFLOWS, activities=orders.ACTIVITIES):
        handle = await sim.client.start_workflow(
            orders.Order.run, "o-1", id="order-1", task_queue=sim.task_queue
        )
        await handle.signal(orders.Order.approve, "Ada")
        assert "3" in await handle.result()
    assert [ledger.count(f"item {number}") for number in range(3)] == [1, 1, 1]


@pytest.mark.asyncio
async def test_heartbeat_that_was_not_heard_is_lost_with_what_it_told(sim: Simulation) -> None:
    sim.faults.kill_worker(at="heartbeat:import_items#1:2:before-report")
    async with sim.worker(workflows=orders.WORKFLOWS, activities=orders.ACTIVITIES):
        handle = await sim.client.start_workflow(
            orders.Order.run, "o-1", id="order-1", task_queue=sim.task_queue
        )
        await handle.signal(orders.Order.approve, "Ada")
        await handle.result()
    assert [ledger.count(f"item {number}") for number in range(3)] == [1, 2, 1]


@activity.defn
async def tidy() -> None:
    try:
        ledger.entries.append("begun")
        await asyncio.sleep(30)
        ledger.entries.append("slept")
    finally:
        ledger.entries.append("tidied")


@activity.defn
def tidy_in_thread() -> None:
    # What a killed thread does when its simulation ends is not the next test's business.
    entries = ledger.entries
    try:
        entries.append("begun")
        time.sleep(30)
        entries.append("slept")
    finally:
        entries.append("tidied")


@workflow.defn
class Both:
    """Runs two activities side by side."""

    @workflow.run
    async def run(self, other: str) -> None:
        options: dict[str, Any] = {
            "start_to_close_timeout": timedelta(minutes=1),
            "retry_policy": RetryPolicy(maximum_attempts=2),
        }
        tidying = workflow.start_activity(other, **options)
        await asyncio.sleep(10)
        await workflow.execute_activity(charge, **options)
        await tidying


@pytest.mark.asyncio
@pytest.mark.parametrize("tidies", [tidy, tidy_in_thread])
async def test_running_code_never_goes_on(sim: Simulation, tidies: Callable[[], Any]) -> None:
    """Not even to its `finally` blocks: the process that ran it is gone."""
    sim.faults.kill_worker(at="activity:charge#1:before-report")
    async with sim.worker(workflows=[Both], activities=[charge, tidies]):
        await sim.client.execute_workflow(
            Both.run, tidies.__name__, id="both", task_queue=sim.task_queue
        )
        assert ledger.entries == ["begun", "charge", "begun", "charge", "slept", "tidied"]


@pytest.mark.asyncio
async def test_replacement_comes_after_a_while(sim: Simulation) -> None:
    sim.faults.kill_worker(
        at="workflow-task:charges:1:before-report", restart_after=timedelta(hours=5)
    )
    assert await run_charges(sim) == "receipt"
    assert sim.elapsed == timedelta(hours=5)


@pytest.mark.asyncio
async def test_another_worker_takes_over(sim: Simulation) -> None:
    sim.faults.kill_worker(at="activity:charge#1:before-report", restart_after=None)
    async with sim.worker(workflows=[Charges], activities=[charge], identity="first"):
        handle = await sim.client.start_workflow(
            Charges.run, id="charges", task_queue=sim.task_queue
        )
        await sim.sleep(_SECOND)
        async with sim.worker(workflows=[Charges], activities=[charge], identity="second"):
            assert await handle.result() == "receipt"
    (completed,) = events(sim, EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
    assert completed.activity_task_completed_event_attributes.identity == "second"


@pytest.mark.asyncio
async def test_worker_of_the_users_own_is_killed_and_not_replaced(sim: Simulation) -> None:
    sim.faults.kill_worker(at="activity:charge#1:before-report")
    async with Worker(
        sim.client, task_queue=sim.task_queue, workflows=[Charges], activities=[charge]
    ) as worker:
        handle = await sim.client.start_workflow(
            Charges.run, id="charges", task_queue=sim.task_queue
        )
        await sim.sleep(timedelta(minutes=2))
        assert worker.is_shutdown
        async with sim.worker(workflows=[Charges], activities=[charge]):
            assert await handle.result() == "receipt"


@pytest.mark.asyncio
async def test_worker_of_the_users_own_is_missed_by_name(sim: Simulation) -> None:
    sim.faults.kill_worker(at="activity:charge#1:before-report")
    async with Worker(
        sim.client, task_queue=sim.task_queue, workflows=[Charges], activities=[charge]
    ):
        with pytest.raises(SimulationStuck, match=r"was killed: only one of `sim\.worker"):
            await sim.client.execute_workflow(Charges.run, id="charges", task_queue=sim.task_queue)


class Counter:
    """Activities that count in their worker's memory."""

    def __init__(self) -> None:
        self.calls = 0

    @activity.defn(name="charge")
    async def charge(self) -> str:
        self.calls += 1
        return str(self.calls)


@pytest.mark.asyncio
async def test_what_each_worker_makes_for_itself_is_new_in_the_next(sim: Simulation) -> None:
    sim.faults.kill_worker(at="activity:charge#1:before-report")
    async with sim.worker(workflows=[Charges], fresh=lambda: {"activities": [Counter().charge]}):
        result = await sim.client.execute_workflow(
            Charges.run, id="charges", task_queue=sim.task_queue
        )
    assert result == "1"


@pytest.mark.asyncio
async def test_what_the_test_has_made_is_the_same_in_the_next(sim: Simulation) -> None:
    sim.faults.kill_worker(at="activity:charge#1:before-report")
    async with sim.worker(workflows=[Charges], activities=[Counter().charge]):
        result = await sim.client.execute_workflow(
            Charges.run, id="charges", task_queue=sim.task_queue
        )
    assert result == "2"


@pytest.mark.asyncio
async def test_all_workers_are_lost_for_a_while(sim: Simulation) -> None:
    async with sim.worker(workflows=[Both], activities=[charge, tidy]):
        handle = await sim.client.start_workflow(
            Both.run, "tidy", id="both", task_queue=sim.task_queue
        )
        await sim.sleep(_SECOND)
        sim.faults.lose_all_workers(for_=timedelta(hours=1))
        await handle.result()
    assert sim.elapsed > timedelta(hours=1)


@pytest.mark.asyncio
async def test_query_of_a_dead_worker_is_never_answered(sim: Simulation) -> None:
    sim.faults.kill_worker(at="query:approved_by#1:before-report")
    async with sim.worker(workflows=orders.WORKFLOWS, activities=orders.ACTIVITIES):
        handle = await sim.client.start_workflow(
            orders.Order.run, "o-1", id="order-1", task_queue=sim.task_queue
        )
        await sim.sleep(_SECOND)
        with pytest.raises(RPCError) as raised:
            await handle.query(orders.Order.approved_by)
        assert raised.value.status == RPCStatusCode.CANCELLED
        assert await handle.query(orders.Order.approved_by) == ""


@activity.defn
async def tidy_on_loop() -> None:
    try:
        ledger.entries.append("begun")
        time.sleep(600)  # noqa: ASYNC251 - as people do
        ledger.entries.append("slept")
    except Exception:  # noqa: BLE001 - it must not be one
        ledger.entries.append("failed")
    finally:
        time.sleep(600)  # noqa: ASYNC251
        ledger.entries.append("tidied")


@workflow.defn
class Tidies:
    """Runs an activity that blocks the event loop, on its own or in the workflow's worker."""

    @workflow.run
    async def run(self, locally: bool) -> None:
        options: dict[str, Any] = {"start_to_close_timeout": timedelta(minutes=25)}
        if locally:
            await workflow.execute_local_activity(tidy_on_loop, **options)
        else:
            await workflow.execute_activity(tidy_on_loop, **options)


@pytest.mark.asyncio
@pytest.mark.parametrize("locally", [False, True])
async def test_code_that_blocks_the_event_loop_of_a_dead_worker_leaves_it(
    sim: Simulation, locally: bool
) -> None:
    sim.faults.kill_worker(at="time:5m")
    async with sim.worker(workflows=[Tidies], activities=[tidy_on_loop]):
        await sim.client.execute_workflow(
            Tidies.run, locally, id="tidies", task_queue=sim.task_queue
        )
    assert ledger.entries == ["begun", "begun", "slept", "tidied"]


@pytest.mark.asyncio
async def test_worker_that_is_asked_to_end_gives_in_what_it_has(sim: Simulation) -> None:
    fault = sim.faults.terminate_worker(at="activity:charge#1:before-report")
    assert await run_charges(sim) == "receipt"
    assert fault.count == 1
    assert ledger.count("charge") == 1
    assert sim.elapsed == timedelta(0)


@pytest.mark.asyncio
@pytest.mark.parametrize("tidies", [tidy, tidy_in_thread])
async def test_worker_that_is_asked_to_end_cancels_its_activities(
    sim: Simulation, tidies: Callable[[], Any]
) -> None:
    sim.faults.terminate_worker(at="time:5s", restart_after=_SECOND)
    async with sim.worker(workflows=[Both], activities=[charge, tidies]):
        await sim.client.execute_workflow(
            Both.run, tidies.__name__, id="both", task_queue=sim.task_queue
        )
    assert ledger.entries == ["begun", "tidied", "begun", "charge", "slept", "tidied"]
    assert sim.elapsed == timedelta(seconds=5 + 1 + 30)


@pytest.mark.asyncio
async def test_worker_that_was_asked_to_end_gets_no_more_tasks(sim: Simulation) -> None:
    sim.faults.terminate_worker(at="workflow-task:charges:1", restart_after=timedelta(hours=1))
    assert await run_charges(sim) == "receipt"
    assert sim.elapsed == timedelta(hours=1)


@pytest.mark.asyncio
async def test_answers_of_a_worker_that_hangs_come_late(sim: Simulation) -> None:
    sim.faults.stop_worker(at="activity:charge#1:before-report", for_=timedelta(minutes=10))
    assert await run_charges(sim) == "receipt"
    (started,) = events(sim, EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    assert started.activity_task_started_event_attributes.attempt == 2
    assert ledger.count("charge") == 2
    assert sim.elapsed == timedelta(minutes=10)


def test_kills_in_a_synchronous_test(sim: Simulation) -> None:
    sim.faults.kill_worker(at="activity:charge#1:before-report")
    with sim.worker(workflows=[Charges], activities=[charge]):
        running = sim.client.execute_workflow(Charges.run, id="charges", task_queue=sim.task_queue)
        assert sim.run(running) == "receipt"
    assert ledger.count("charge") == 2
