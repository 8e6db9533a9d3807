"""Handlers of Nexus operations that wait in threads, for the end of their task or of their worker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio import nexus, workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import NexusOperationError, TimeoutError  # noqa: A004 - the SDK's name

from timeskip import Simulation

pytestmark = [pytest.mark.asyncio, pytest.mark.both_lanes]


@service_handler
class Desk:
    @sync_operation
    def wait_for_the_end(self, ctx: StartOperationContext, _: None) -> str:
        return str(ctx.task_cancellation.wait_until_cancelled_sync(300))

    @sync_operation
    def wait_for_shutdown(self, _ctx: StartOperationContext, _: None) -> str:
        nexus.wait_for_worker_shutdown_sync(3)
        return str(nexus.is_worker_shutdown())


@workflow.defn(sandboxed=False)
class Caller:
    @workflow.run
    async def run(self, operation: str) -> str:
        desk = workflow.create_nexus_client(endpoint="desk", service=Desk)
        answer: str = await desk.execute_operation(
            operation, None, output_type=str, schedule_to_close_timeout=timedelta(seconds=8)
        )
        return answer


async def call(sim: Simulation, operation: str) -> str:
    await sim.create_nexus_endpoint("desk", sim.task_queue)
    with ThreadPoolExecutor(2) as threads:
        async with sim.worker(
            workflows=[Caller], nexus_service_handlers=[Desk()], nexus_task_executor=threads
        ):
            return await sim.client.execute_workflow(
                Caller.run, operation, id="caller", task_queue=sim.task_queue
            )


async def test_handler_waits_for_longer_than_its_operation_may_take(sim: Simulation) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await call(sim, "wait_for_the_end")
    assert isinstance(failed.value.cause, NexusOperationError)
    assert isinstance(failed.value.cause.cause, TimeoutError)


async def test_handler_waits_for_the_shutdown_in_virtual_time(sim: Simulation) -> None:
    assert await call(sim, "wait_for_shutdown") == "False"
    assert sim.elapsed == timedelta(seconds=3)
