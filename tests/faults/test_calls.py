"""Calls and answers that are lost, late, doubled or refused, and the service that restarts."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from tests.faults.orders import ledger
from timeskip import Simulation

_EVENTS = EventType.DESCRIPTOR.values_by_number


@activity.defn
async def stamp() -> str:
    ledger.entries.append("stamp")
    return "stamped"


@workflow.defn
class Stamps:
    """Stamps once, ten seconds after a nap of an hour."""

    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(3600)
        return await workflow.execute_activity(
            stamp,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=3),
        )


async def run_stamps(sim: Simulation) -> str:
    """The result, with a workflow id of `stamps`."""
    async with sim.worker(workflows=[Stamps], activities=[stamp]):
        return await sim.client.execute_workflow(Stamps.run, id="stamps", task_queue=sim.task_queue)


def event_names(sim: Simulation) -> list[str]:
    """The types of the events of the only run, in short."""
    (run,) = sim.runs
    return [
        _EVENTS[event.event_type].name.removeprefix("EVENT_TYPE_") for event in run.history.events
    ]


@pytest.mark.asyncio
async def test_lost_request_is_sent_again(sim: Simulation) -> None:
    fault = sim.faults.lose_response(at="activity:stamp#1:before-report")
    assert await run_stamps(sim) == "stamped"
    assert fault.count == 1
    assert ledger.count("stamp") == 1
    assert sim.elapsed == timedelta(hours=1)


@pytest.mark.asyncio
async def test_lost_answer_makes_a_worker_report_twice(sim: Simulation) -> None:
    sim.faults.lose_response(at="workflow-task:stamps:1:after-report")
    assert await run_stamps(sim) == "stamped"
    assert event_names(sim).count("WORKFLOW_TASK_COMPLETED") == 3
    assert sim.elapsed == timedelta(hours=1)


@pytest.mark.asyncio
async def test_lost_task_runs_into_its_timeout(sim: Simulation) -> None:
    sim.faults.lose_response(at="activity:stamp#1:before-start")
    assert await run_stamps(sim) == "stamped"
    assert ledger.count("stamp") == 1
    assert sim.elapsed == timedelta(hours=1, seconds=31)


@pytest.mark.asyncio
async def test_start_whose_answer_is_lost_starts_one_workflow(sim: Simulation) -> None:
    sim.faults.lose_response(at="rpc:StartWorkflowExecution#1:response")
    assert await run_stamps(sim) == "stamped"
    assert len(sim.runs) == 1


@pytest.mark.asyncio
async def test_doubled_request_is_recognised(sim: Simulation) -> None:
    sim.faults.duplicate_response(at="rpc:SignalWorkflowExecution#1:request")
    async with sim.worker(workflows=[Stamps], activities=[stamp]):
        handle = await sim.client.start_workflow(Stamps.run, id="stamps", task_queue=sim.task_queue)
        await handle.signal("hello")
        await handle.result()
    assert event_names(sim).count("WORKFLOW_EXECUTION_SIGNALED") == 1


@pytest.mark.asyncio
async def test_late_report_is_too_late(sim: Simulation) -> None:
    sim.faults.delay_response(at="activity:stamp#1:before-report", by=timedelta(seconds=60))
    async with sim.worker(workflows=[Stamps], activities=[stamp]):
        await sim.client.execute_workflow(Stamps.run, id="stamps", task_queue=sim.task_queue)
        assert ledger.count("stamp") == 2
        assert sim.elapsed == timedelta(hours=1, seconds=31)


@pytest.mark.asyncio
async def test_late_workflow_task_is_done_by_then(sim: Simulation) -> None:
    sim.faults.delay_response(at="workflow-task:stamps:2:before-report", by=timedelta(seconds=15))
    assert await run_stamps(sim) == "stamped"
    assert "WORKFLOW_TASK_TIMED_OUT" in event_names(sim)
    assert ledger.count("stamp") == 1


@pytest.mark.asyncio
async def test_report_that_is_a_little_late_counts(sim: Simulation) -> None:
    sim.faults.delay_response(at="activity:stamp#1:before-report", by=timedelta(seconds=20))
    assert await run_stamps(sim) == "stamped"
    assert ledger.count("stamp") == 1
    assert sim.elapsed == timedelta(hours=1, seconds=20)


@pytest.mark.asyncio
async def test_client_waits_for_a_late_answer(sim: Simulation) -> None:
    sim.faults.delay_response(at="rpc:SignalWorkflowExecution#1:response", by=timedelta(seconds=7))
    async with sim.worker(workflows=[Stamps], activities=[stamp]):
        handle = await sim.client.start_workflow(Stamps.run, id="stamps", task_queue=sim.task_queue)
        await handle.signal("hello")
        assert sim.elapsed == timedelta(seconds=7)


@pytest.mark.asyncio
async def test_latency_of_every_attempt(sim: Simulation) -> None:
    fault = sim.faults.latency(at="activity:stamp*:before-start", by=timedelta(seconds=5))
    sim.faults.fail_activity(at="activity:stamp#1:before-report")
    assert await run_stamps(sim) == "stamped"
    assert fault.count == 2
    assert sim.elapsed == timedelta(hours=1, seconds=5 + 1 + 5)


@pytest.mark.asyncio
async def test_passing_error_is_tried_again(sim: Simulation) -> None:
    fault = sim.faults.fail_rpc("UNAVAILABLE", at="rpc:SignalWorkflowExecution", times=3)
    async with sim.worker(workflows=[Stamps], activities=[stamp]):
        handle = await sim.client.start_workflow(Stamps.run, id="stamps", task_queue=sim.task_queue)
        await handle.signal("hello")
    assert fault.count == 3


@pytest.mark.asyncio
async def test_lasting_error_is_told(sim: Simulation) -> None:
    sim.faults.fail_rpc("PERMISSION_DENIED", at="rpc:SignalWorkflowExecution", message="not today")
    async with sim.worker(workflows=[Stamps], activities=[stamp]):
        handle = await sim.client.start_workflow(Stamps.run, id="stamps", task_queue=sim.task_queue)
        with pytest.raises(RPCError, match="not today") as raised:
            await handle.signal("hello")
    assert raised.value.status == RPCStatusCode.PERMISSION_DENIED


@pytest.mark.asyncio
async def test_error_that_does_not_pass_is_told_at_last(sim: Simulation) -> None:
    fault = sim.faults.fail_rpc("UNAVAILABLE", at="rpc:SignalWorkflowExecution", times=None)
    async with sim.worker(workflows=[Stamps], activities=[stamp]):
        handle = await sim.client.start_workflow(Stamps.run, id="stamps", task_queue=sim.task_queue)
        with pytest.raises(RPCError) as raised:
            await handle.signal("hello")
    assert raised.value.status == RPCStatusCode.UNAVAILABLE
    assert fault.count == 10


@pytest.mark.asyncio
async def test_attempt_fails_before_it_starts(sim: Simulation) -> None:
    sim.faults.fail_activity(at="activity:stamp#1", error=ConnectionError("no printer"))
    assert await run_stamps(sim) == "stamped"
    assert ledger.count("stamp") == 1
    assert sim.elapsed == timedelta(hours=1, seconds=1)


@pytest.mark.asyncio
async def test_attempt_fails_although_it_was_done(sim: Simulation) -> None:
    sim.faults.fail_activity(
        at="activity:stamp#1:before-report", error="no printer", non_retryable=True
    )
    with pytest.raises(WorkflowFailureError) as raised:
        await run_stamps(sim)
    assert ledger.count("stamp") == 1
    failed = raised.value.cause
    assert isinstance(failed, ActivityError)
    assert isinstance(failed.cause, ApplicationError)
    assert failed.cause.message == "no printer"


@pytest.mark.asyncio
async def test_attempt_times_out(sim: Simulation) -> None:
    sim.faults.time_out_activity(at="activity:stamp", times=2)
    assert await run_stamps(sim) == "stamped"
    assert ledger.count("stamp") == 1
    assert sim.elapsed == timedelta(hours=1, seconds=30 + 1 + 30 + 2)


@pytest.mark.asyncio
async def test_evicted_workflow_is_replayed(sim: Simulation) -> None:
    sim.faults.evict_workflow(at="sticky-cache:stamps:2")
    assert await run_stamps(sim) == "stamped"
    assert sim.elapsed == timedelta(hours=1)


@activity.defn
async def ponder() -> str:
    await asyncio.sleep(25)
    ledger.entries.append("ponder")
    return "pondered"


@workflow.defn
class Ponders:
    """Has its worker ponder for longer than a workflow task takes."""

    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_local_activity(
            ponder, start_to_close_timeout=timedelta(minutes=1)
        )


@pytest.mark.asyncio
async def test_workflow_that_waits_for_a_local_activity_is_evicted() -> None:
    """Its task times out. On the wire it is the machine's clock that makes more than one task of it."""
    async with Simulation() as sim:
        sim.faults.evict_workflow(at="sticky-cache:ponders:2")
        async with sim.worker(workflows=[Ponders], activities=[ponder]):
            running = sim.client.execute_workflow(
                Ponders.run, id="ponders", task_queue=sim.task_queue
            )
            assert await running == "pondered"
        assert sim.elapsed > timedelta(seconds=35)


@pytest.mark.asyncio
async def test_task_of_a_dropped_sticky_queue_goes_to_the_normal_one(sim: Simulation) -> None:
    sim.faults.drop_sticky_queue(at="sticky-cache:stamps:2")
    assert await run_stamps(sim) == "stamped"
    (run,) = sim.runs
    queues = [
        event.workflow_task_scheduled_event_attributes.task_queue.name
        for event in run.history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
    ]
    assert queues[:2] == [sim.task_queue, sim.task_queue]


@pytest.mark.asyncio
async def test_worker_is_cut_off_for_a_while(sim: Simulation) -> None:
    sim.faults.partition(at="activity:stamp#1:before-report", for_=timedelta(minutes=5))
    assert await run_stamps(sim) == "stamped"
    assert ledger.count("stamp") == 2
    assert sim.elapsed >= timedelta(hours=1, minutes=5)


@pytest.mark.asyncio
async def test_restart_of_the_service_loses_nothing(sim: Simulation) -> None:
    fault = sim.faults.restart_server(at="server-restart", times=3)
    assert await run_stamps(sim) == "stamped"
    assert fault.count == 3
    assert ledger.count("stamp") == 1


@pytest.mark.asyncio
async def test_restart_of_the_service_at_an_instant(sim: Simulation) -> None:
    fault = sim.faults.restart_server(at="time:30m")
    assert await run_stamps(sim) == "stamped"
    assert fault.count == 1
    assert sim.elapsed == timedelta(hours=1)


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["RespondWorkflowTaskCompleted", "RespondActivityTaskCompleted"])
@pytest.mark.parametrize(
    ("code", "times"),
    [
        ("INVALID_ARGUMENT", 1),
        ("UNAVAILABLE", 12),
    ],
)
async def test_report_that_fails_for_good_leaves_its_task_to_its_timeout(
    method: str, code: str, times: int
) -> None:
    async with Simulation() as sim:
        sim.faults.fail_rpc(code, at=f"rpc:{method}", times=times)
        assert await run_stamps(sim) == "stamped"
        assert sim.elapsed >= timedelta(seconds=10)


@pytest.mark.slow  # the SDK's core makes such a call again for ten real seconds
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "method",
    [
        "RespondWorkflowTaskCompleted",
        "RespondActivityTaskCompleted",
    ],
)
async def test_report_that_fails_for_good_on_the_wire(method: str) -> None:
    async with Simulation(lane="wire") as sim:
        sim.faults.fail_rpc("UNAVAILABLE", at=f"rpc:{method}", times=12)
        assert await run_stamps(sim) == "stamped"
        assert sim.elapsed >= timedelta(seconds=10)
