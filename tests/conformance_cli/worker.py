"""The worker process of a session: `python -m tests.conformance_cli.worker ADDRESS`.

It prints a line once it has served a first workflow and runs until it is killed.
"""

from __future__ import annotations

import asyncio
import sys

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.conformance_cli.workflows import (
    TASK_QUEUE,
    Approval,
    Greeting,
    Inquiry,
    Nap,
    Refusal,
    ask_somebody,
    compose_greeting,
)


async def serve(address: str) -> None:
    """Serve the session's task queue for ever."""
    client = await Client.connect(address, identity="session-worker")
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[Greeting, Nap, Approval, Inquiry, Refusal],
        activities=[compose_greeting, ask_somebody],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker:
        await client.execute_workflow(
            Greeting.run, "worker", id="worker-is-up", task_queue=TASK_QUEUE
        )
        print("serving", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
