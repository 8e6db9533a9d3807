"""The service restarts: open calls break, what was acknowledged stays, and nothing else does."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.enums.v1 import HistoryEventFilterType
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage as Stage
from temporalio.api.update.v1 import Input, Meta, Request, WaitPolicy
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    SignalWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
)
from temporalio.client import WorkflowHandle
from temporalio.converter import PayloadConverter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner

from timeskip import Simulation


@workflow.defn
class Notes:
    """Takes notes for an hour."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await asyncio.sleep(3600)
        return self._notes

    @workflow.signal
    def note(self, text: str) -> None:
        self._notes.append(text)

    @workflow.update
    async def add(self, text: str) -> int:
        self._notes.append(text)
        await asyncio.sleep(1)
        return len(self._notes)

    @workflow.query
    def count(self) -> int:
        return len(self._notes)


Handle = WorkflowHandle[Notes, list[str]]


async def start(sim: Simulation) -> Handle:
    return await sim.client.start_workflow(Notes.run, id="notes", task_queue=sim.task_queue)


async def play(plan: str) -> tuple[list[str], list[str]]:
    """What was noted, and the plans by which the service restarts once."""
    async with Simulation() as sim:
        points = sim.crash_points
        sim.faults.add_plan(plan)
        async with sim.worker(workflows=[Notes], workflow_runner=UnsandboxedWorkflowRunner()):
            handle = await start(sim)
            await handle.signal(Notes.note, "first")
            assert await handle.execute_update(Notes.add, "second") == 2
            await handle.signal(Notes.note, "third")
            assert await handle.query(Notes.count) == 3
            result = await handle.result()
        sim.check_faults()
        return result, [f"restart-server at {point}" for point in points.of("server-restart")]


@pytest.mark.asyncio
async def test_nothing_that_was_acknowledged_is_lost_between_any_two_requests() -> None:
    noted, plans = await play("")
    assert noted == ["first", "second", "third"]
    assert len(plans) > 8
    for plan in plans:
        assert (await play(plan))[0] == noted, plan


@pytest.mark.asyncio
async def test_request_that_meets_a_restart_is_not_kept(sim: Simulation) -> None:
    sim.faults.restart_server(at="rpc:SignalWorkflowExecution#1:request")
    async with sim.worker(workflows=[Notes], workflow_runner=UnsandboxedWorkflowRunner()):
        handle = await start(sim)
        with pytest.raises(RPCError) as raised:
            await sim.client.workflow_service.signal_workflow_execution(
                SignalWorkflowExecutionRequest(
                    namespace="default",
                    workflow_execution=WorkflowExecution(workflow_id="notes"),
                    signal_name="note",
                )
            )
        assert raised.value.status == RPCStatusCode.UNAVAILABLE
        await handle.signal(Notes.note, "second")
        assert await handle.result() == ["second"]


@pytest.mark.asyncio
async def test_answer_that_meets_a_restart_was_to_something_that_is_kept(sim: Simulation) -> None:
    sim.faults.restart_server(at="rpc:SignalWorkflowExecution#1:response")
    async with sim.worker(workflows=[Notes], workflow_runner=UnsandboxedWorkflowRunner()):
        handle = await start(sim)
        await handle.signal(Notes.note, "first")
        assert await handle.result() == ["first"]


@pytest.mark.asyncio
async def test_open_calls_break(sim: Simulation) -> None:
    sim.faults.restart_server(at="time:30m")
    async with sim.worker(workflows=[Notes], workflow_runner=UnsandboxedWorkflowRunner()):
        handle = await start(sim)
        with pytest.raises(RPCError) as raised:
            await sim.client.workflow_service.get_workflow_execution_history(
                GetWorkflowExecutionHistoryRequest(
                    namespace="default",
                    execution=WorkflowExecution(workflow_id="notes"),
                    wait_new_event=True,
                    history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
                )
            )
        assert raised.value.status == RPCStatusCode.UNAVAILABLE
        assert sim.elapsed == timedelta(minutes=30)
        assert await handle.result() == []


def update(text: str) -> UpdateWorkflowExecutionRequest:
    return UpdateWorkflowExecutionRequest(
        namespace="default",
        workflow_execution=WorkflowExecution(workflow_id="notes"),
        wait_policy=WaitPolicy(
            lifecycle_stage=Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED
        ),
        request=Request(
            meta=Meta(update_id=text),
            input=Input(
                name="add", args=Payloads(payloads=[PayloadConverter.default.to_payload(text)])
            ),
        ),
    )


@pytest.mark.asyncio
async def test_update_that_nobody_has_accepted_is_not_kept(sim: Simulation) -> None:
    sim.faults.restart_server(at="time:10s")
    async with sim.worker(workflows=[Notes], workflow_runner=UnsandboxedWorkflowRunner()):
        handle = await start(sim)
        await sim.sleep(timedelta(seconds=1))
    with pytest.raises(RPCError) as raised:
        await sim.client.workflow_service.update_workflow_execution(update("first"))
    assert raised.value.status == RPCStatusCode.UNAVAILABLE
    async with sim.worker(workflows=[Notes], workflow_runner=UnsandboxedWorkflowRunner()):
        assert await handle.execute_update(Notes.add, "second") == 1
        assert await handle.result() == ["second"]
