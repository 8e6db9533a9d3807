"""A client and worker process that ends right after it was busy: `... ADDRESS WORKFLOW_ID`."""

from __future__ import annotations

import asyncio
import sys

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.cli.workflows import Shout, shout
from timeskip.sdk_exit import guard_exit


async def run_one_workflow(address: str, workflow_id: str) -> None:
    """Start a worker, run one workflow to its end, stop."""
    client = await Client.connect(address)
    async with Worker(
        client,
        task_queue=workflow_id,
        workflows=[Shout],
        activities=[shout],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        print(
            await client.execute_workflow(Shout.run, "done", id=workflow_id, task_queue=workflow_id)
        )


if __name__ == "__main__":
    guard_exit()
    asyncio.run(run_one_workflow(*sys.argv[1:]))
