"""A client and worker process that never rests: `... ADDRESS`. Prints a line when in full swing."""

from __future__ import annotations

import asyncio
import itertools
import sys

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.cli.workflows import Nap, Shout, shout

TASK_QUEUE = "busy"


async def keep_busy(address: str) -> None:
    """Run workflows, many at a time, for ever."""
    client = await Client.connect(address)
    numbers = itertools.count()

    async def run_workflows() -> None:
        for number in numbers:
            if number == 50:
                print("busy", flush=True)
            if number % 2:
                await client.execute_workflow(
                    Shout.run, "word", id=f"shout-{number}", task_queue=TASK_QUEUE
                )
            else:
                await client.execute_workflow(
                    Nap.run, 0.01, id=f"nap-{number}", task_queue=TASK_QUEUE
                )

    async with Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[Shout, Nap],
        activities=[shout],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        await asyncio.gather(*(run_workflows() for _ in range(20)))


if __name__ == "__main__":
    asyncio.run(keep_busy(sys.argv[1]))
