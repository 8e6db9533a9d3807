from datetime import timedelta

from examples.greeting.activities import compose_greeting
from examples.greeting.workflows import GreetingRequest, GreetingWorkflow
from timeskip import Simulation


async def test_greeting_at_once(sim: Simulation) -> None:
    async with sim.worker(workflows=[GreetingWorkflow], activities=[compose_greeting]):
        greeting = await sim.client.execute_workflow(
            GreetingWorkflow.run,
            GreetingRequest("Ada"),
            id="greeting-at-once",
            task_queue=sim.task_queue,
        )

    assert greeting == "Hello, Ada!"


async def test_greeting_after_ten_seconds(sim: Simulation) -> None:
    async with sim.worker(workflows=[GreetingWorkflow], activities=[compose_greeting]):
        await sim.client.execute_workflow(
            GreetingWorkflow.run,
            GreetingRequest("Ada", delay_seconds=10),
            id="greeting-after-ten-seconds",
            task_queue=sim.task_queue,
        )

    assert sim.elapsed == timedelta(seconds=10)


async def test_greeting_after_a_year(sim: Simulation) -> None:
    year = timedelta(days=365)
    began = sim.now

    async with sim.worker(workflows=[GreetingWorkflow], activities=[compose_greeting]):
        greeting = await sim.client.execute_workflow(
            GreetingWorkflow.run,
            GreetingRequest("Ada", delay_seconds=year.total_seconds()),
            id="greeting-after-a-year",
            task_queue=sim.task_queue,
        )

    assert greeting == "Hello, Ada!"
    assert sim.now == began + year


def test_greeting_from_a_plain_function(sim: Simulation) -> None:
    async def greet() -> str:
        async with sim.worker(workflows=[GreetingWorkflow], activities=[compose_greeting]):
            return await sim.client.execute_workflow(
                GreetingWorkflow.run,
                GreetingRequest("Grace"),
                id="greeting-from-a-plain-function",
                task_queue=sim.task_queue,
            )

    assert sim.run(greet()) == "Hello, Grace!"
