"""Workers that carry out Nexus operations, and workflows that call them."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import nexusrpc
import nexusrpc.handler
import pytest
import temporalio.nexus
from temporalio import workflow
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError

from tests.simulation.workflows import Greeter, greet
from timeskip import Simulation, SimulationStuck, TooManyAttempts, WorkflowTaskFailed

pytestmark = pytest.mark.both_lanes

ENDPOINT = "greetings"


@workflow.defn
class GreetsLater:
    @workflow.run
    async def run(self, name: str) -> str:
        await asyncio.sleep(timedelta(days=30).total_seconds())
        return f"Hello at last, {name}!"


@nexusrpc.service
class Greetings:
    hello: nexusrpc.Operation[str, str]
    later: nexusrpc.Operation[str, str]


@nexusrpc.handler.service_handler(service=Greetings)
class GreetingsHandler:
    @nexusrpc.handler.sync_operation
    async def hello(self, _: nexusrpc.handler.StartOperationContext, name: str) -> str:
        if name == "nobody":
            raise ValueError("nobody there")
        return f"Hello, {name}!"

    @temporalio.nexus.workflow_run_operation
    async def later(
        self, ctx: temporalio.nexus.WorkflowRunOperationContext, name: str
    ) -> temporalio.nexus.WorkflowHandle[str]:
        return await ctx.start_workflow(GreetsLater.run, name, id=f"later-{name}")


@nexusrpc.handler.service_handler(service=Greetings)
class HesitantHandler:
    @nexusrpc.handler.sync_operation
    def hello(self, _: nexusrpc.handler.StartOperationContext, name: str) -> str:
        time.sleep(5)
        return f"Hello, {name}!"

    @nexusrpc.handler.sync_operation
    def later(self, _: nexusrpc.handler.StartOperationContext, name: str) -> str:
        raise NotImplementedError


@workflow.defn
class Asks:
    @workflow.run
    async def run(self, operation: str, name: str) -> str:
        client = workflow.create_nexus_client(service=Greetings, endpoint=ENDPOINT)
        return await client.execute_operation(operation, name, output_type=str)


async def ask(sim: Simulation, operation: str, name: str) -> str:
    return await sim.client.execute_workflow(
        Asks.run, args=[operation, name], id="asks", task_queue=sim.task_queue
    )


async def test_worker_with_nexus_handlers_runs_workflows(sim: Simulation) -> None:
    async with sim.worker(
        workflows=[Greeter], activities=[greet], nexus_service_handlers=[GreetingsHandler()]
    ):
        greeting = await sim.client.execute_workflow(
            Greeter.run, "Ada", id="greeter", task_queue=sim.task_queue
        )
    assert greeting == "Hello, Ada!"


async def test_operation_takes_no_time(sim: Simulation) -> None:
    await sim.create_nexus_endpoint(ENDPOINT, sim.task_queue)
    async with sim.worker(workflows=[Asks], nexus_service_handlers=[GreetingsHandler()]):
        assert await ask(sim, "hello", "Ada") == "Hello, Ada!"
    assert not sim.elapsed


async def test_operation_of_a_month_takes_no_real_time(sim: Simulation) -> None:
    await sim.create_nexus_endpoint(ENDPOINT, sim.task_queue)
    async with sim.worker(
        workflows=[Asks, GreetsLater], nexus_service_handlers=[GreetingsHandler()]
    ):
        assert await ask(sim, "later", "Ada") == "Hello at last, Ada!"
    assert sim.elapsed == timedelta(days=30)


async def test_handler_in_a_thread_sleeps_on_virtual_time(sim: Simulation) -> None:
    await sim.create_nexus_endpoint(ENDPOINT, sim.task_queue)
    with ThreadPoolExecutor(1) as threads:
        async with sim.worker(
            workflows=[Asks],
            nexus_service_handlers=[HesitantHandler()],
            nexus_task_executor=threads,
        ):
            assert await ask(sim, "hello", "Ada") == "Hello, Ada!"
    assert sim.elapsed == timedelta(seconds=5)


async def test_workers_of_caller_and_handler(sim: Simulation) -> None:
    await sim.create_nexus_endpoint(ENDPOINT, "handlers")
    async with (
        sim.worker(workflows=[Asks]),
        sim.worker(
            task_queue="handlers",
            workflows=[GreetsLater],
            nexus_service_handlers=[GreetingsHandler()],
        ),
    ):
        assert await ask(sim, "later", "Ada") == "Hello at last, Ada!"


async def test_handler_fails_for_ever(sim: Simulation) -> None:
    await sim.create_nexus_endpoint(ENDPOINT, sim.task_queue)
    async with sim.worker(workflows=[Asks], nexus_service_handlers=[GreetingsHandler()]):
        with pytest.raises(TooManyAttempts, match=r"'Greetings/hello'[\s\S]*nobody there"):
            await ask(sim, "hello", "nobody")


async def test_nobody_handles_the_operation(sim: Simulation) -> None:
    await sim.create_nexus_endpoint(ENDPOINT, "handlers")
    async with sim.worker(workflows=[Asks]):
        with pytest.raises(TooManyAttempts, match=r"'handlers'[\s\S]*No worker has polled"):
            await ask(sim, "hello", "Ada")


async def test_endpoint_does_not_exist(sim: Simulation) -> None:
    async with sim.worker(workflows=[Asks], nexus_service_handlers=[GreetingsHandler()]):
        with pytest.raises(WorkflowTaskFailed, match=r"greetings[\s\S]*create_nexus_endpoint"):
            await ask(sim, "hello", "Ada")


async def test_endpoint_is_deleted(sim: Simulation) -> None:
    endpoint = await sim.create_nexus_endpoint(ENDPOINT, sim.task_queue)
    await sim.delete_nexus_endpoint(endpoint)
    again = await sim.create_nexus_endpoint(ENDPOINT, sim.task_queue)
    assert again.id != endpoint.id


async def test_operation_that_is_cancelled_with_its_caller(sim: Simulation) -> None:
    await sim.create_nexus_endpoint(ENDPOINT, sim.task_queue)
    async with sim.worker(
        workflows=[Asks, GreetsLater], nexus_service_handlers=[GreetingsHandler()]
    ):
        handle = await sim.client.start_workflow(
            Asks.run, args=["later", "Ada"], id="asks", task_queue=sim.task_queue
        )
        sim.at(timedelta(days=1), handle.cancel)
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert isinstance(failed.value.cause, CancelledError)
    assert sim.elapsed == timedelta(days=1)


async def test_external_endpoint_is_never_called(sim: Simulation) -> None:
    await _external_endpoint(sim)
    async with sim.worker(workflows=[Asks]):
        with pytest.raises(SimulationStuck, match="outside of the simulation"):
            await ask(sim, "hello", "Ada")


async def _external_endpoint(sim: Simulation) -> None:
    target = EndpointTarget(external=EndpointTarget.External(url="https://example.com/"))
    await sim.client.operator_service.create_nexus_endpoint(
        CreateNexusEndpointRequest(spec=EndpointSpec(name=ENDPOINT, target=target))
    )
