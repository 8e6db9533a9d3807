"""Records the histories that the timeline's tests read, from the real dev server.

Run it as `python -m tests.timeline.record`, with `temporal` on the path, when `subjects` changes.
"""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.timeline.recorded import HISTORIES
from tests.timeline.subjects import (
    DISTRICT,
    Chimes,
    Course,
    Dinner,
    Feast,
    Slip,
    Vigil,
    lay_table,
    light_candles,
    roast_goose,
    wait_for_guest,
)

TASK_QUEUE = "kitchen"


async def _start(client: Client, run: Callable[..., Any], *args: Any) -> WorkflowHandle[Any, Any]:
    name = run.__qualname__.partition(".")[0].lower()
    handle = await client.start_workflow(run, args=args, id=name, task_queue=TASK_QUEUE)
    return client.get_workflow_handle(name, run_id=handle.first_execution_run_id)


def _forget_machine(history: History) -> None:
    """Clears the stack traces, which name folders of the machine that recorded."""
    for event in history.events:
        for _, attributes in event.ListFields():
            for name in ("failure", "last_failure"):
                failure = getattr(attributes, name, None)
                while isinstance(failure, Failure):
                    failure.ClearField("stack_trace")
                    failure = failure.cause if failure.HasField("cause") else None


async def _save(handle: WorkflowHandle[Any, Any]) -> None:
    recorded = await handle.fetch_history()
    history = History(events=recorded.events)
    _forget_machine(history)
    text = WorkflowHistory(handle.id, list(history.events)).to_json()
    (HISTORIES / f"{handle.id}.json").write_text(text, encoding="utf-8")


async def _reach(handle: WorkflowHandle[Any, Any], event_type: EventType.ValueType) -> None:
    """Returns once the history has an event of that type."""
    reached = False
    while not reached:
        reached = any(
            event.event_type == event_type for event in (await handle.fetch_history()).events
        )


async def record() -> None:
    HISTORIES.mkdir(exist_ok=True)
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=shutil.which("temporal"),
        search_attributes=[DISTRICT],
        identity="a client",
    ) as env:
        client = env.client
        async with Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=[Dinner, Course, Feast, Chimes, Vigil, Slip],
            activities=[lay_table, light_candles, roast_goose, wait_for_guest],
            workflow_runner=UnsandboxedWorkflowRunner(),
            identity="a worker",
        ):
            dinner = await _start(client, Dinner.run, 2)
            await _reach(dinner, EventType.EVENT_TYPE_TIMER_STARTED)
            await dinner.signal(Dinner.arrive, "Grace")
            await dinner.execute_update(Dinner.announce, "Barbara")
            await dinner.result()

            feast = await _start(client, Feast.run)
            with suppress(WorkflowFailureError):
                await feast.result()

            chimes = await _start(client, Chimes.run, 12)
            await _reach(chimes, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW)

            vigil = await _start(client, Vigil.run)
            await _reach(vigil, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)

            slip = await _start(client, Slip.run)
            await _reach(slip, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
            await slip.terminate(reason="cleaned up")

            for handle in (dinner, feast, chimes, vigil, slip):
                await _save(handle)


if __name__ == "__main__":
    asyncio.run(record())
