"""Workers that handle Nexus operations as well: the service has none for them, the rest works."""

from __future__ import annotations

import nexusrpc
import nexusrpc.handler
import pytest
from temporalio import workflow

from tests.simulation.workflows import Greeter, greet
from timeskip import Simulation, WorkflowTaskFailed

pytestmark = pytest.mark.both_lanes


@nexusrpc.service
class Greetings:
    hello: nexusrpc.Operation[str, str]


@nexusrpc.handler.service_handler(service=Greetings)
class GreetingsHandler:
    @nexusrpc.handler.sync_operation
    async def hello(self, _: nexusrpc.handler.StartOperationContext, name: str) -> str:
        return f"Hello, {name}!"


@workflow.defn
class Asks:
    @workflow.run
    async def run(self, name: str) -> str:
        client = workflow.create_nexus_client(service=Greetings, endpoint="greetings")
        return await client.execute_operation(Greetings.hello, name)


async def test_worker_with_nexus_handlers_runs_workflows(sim: Simulation) -> None:
    async with sim.worker(
        workflows=[Greeter], activities=[greet], nexus_service_handlers=[GreetingsHandler()]
    ):
        greeting = await sim.client.execute_workflow(
            Greeter.run, "Ada", id="greeter", task_queue=sim.task_queue
        )
    assert greeting == "Hello, Ada!"


async def test_nexus_operation_is_refused_at_once(sim: Simulation) -> None:
    async with sim.worker(workflows=[Asks], nexus_service_handlers=[GreetingsHandler()]):
        with pytest.raises(WorkflowTaskFailed, match="ScheduleNexusOperation"):
            await sim.client.execute_workflow(Asks.run, "Ada", id="asks", task_queue=sim.task_queue)
