"""Records the histories that the replay tests read, from the real dev server.

Run it as `python -m tests.lanes.direct.record`, with `temporal` on the path, when `subjects` changes.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    RPCError,
    WorkflowContinuedAsNewError,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.lanes.direct import nexus_subjects
from tests.lanes.direct.recorded import HISTORIES
from tests.lanes.direct.subjects import WORKFLOWS
from tests.lanes.direct.subjects.endings import Stumbles
from tests.lanes.direct.subjects.stage import ACTIVITIES, DISTRICT

TASK_QUEUE = "stage"

Handle = WorkflowHandle[Any, Any]


async def _start(client: Client, subject: type, **options: Any) -> Handle:
    handle = await client.start_workflow(
        subject.__name__, id=subject.__name__, task_queue=TASK_QUEUE, **options
    )
    return client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)


async def _reach(handle: Handle, event_type: EventType.ValueType, times: int = 1) -> None:
    """Returns once the history has so many events of that type."""
    while True:
        events = (await handle.fetch_history()).events
        if sum(event.event_type == event_type for event in events) >= times:
            return
        await asyncio.sleep(0.01)


async def _signal_it(client: Client, handle: Handle) -> None:
    await _reach(handle, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    for what in ("errand", "nap", "errand"):
        await handle.signal("want", what)
        await asyncio.sleep(0.05)
    await handle.signal("want", "stop")


async def _update_it(client: Client, handle: Handle) -> None:
    await _reach(handle, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    with suppress(WorkflowUpdateFailedError):
        await handle.execute_update("add", -1)
    with suppress(WorkflowUpdateFailedError):
        await handle.execute_update("give_up")
    slow = await handle.start_update("add_slowly", 1, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    await asyncio.gather(
        handle.execute_update("add", 1), handle.execute_update("add_locally", 1), slow.result()
    )


async def _terminate_child(client: Client, handle: Handle) -> None:
    await _reach(handle, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED)
    await client.get_workflow_handle(f"{handle.id}-child").terminate()


async def _cancel_it(client: Client, handle: Handle) -> None:
    await _reach(handle, EventType.EVENT_TYPE_TIMER_STARTED)
    await handle.cancel()


async def _terminate_it(client: Client, handle: Handle) -> None:
    await _reach(handle, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    await handle.terminate()


async def _reset_it(client: Client, handle: Handle) -> None:
    await handle.result()
    events = (await handle.fetch_history()).events
    completed = [
        event.event_id
        for event in events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    reset = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.run_id or ""),
            workflow_task_finish_event_id=completed[-2],
            request_id="reset",
        )
    )
    handle._run_id = reset.run_id


_Drive = Callable[[Client, Handle], Awaitable[None]]

_DRIVES: dict[str, _Drive] = {
    "Signalled": _signal_it,
    "Updated": _update_it,
    "ParentOfTerminated": _terminate_child,
    "IsCancelled": _cancel_it,
    "WaitsForEver": _terminate_it,
    "DrawsLots": _reset_it,
}

_OPTIONS: dict[str, dict[str, Any]] = {
    "LongLocal": {"task_timeout": timedelta(seconds=1)},
    "LongLocalBesideNaps": {"task_timeout": timedelta(seconds=1)},
}

#: Workflows that others make histories for.
_NOT_RECORDED = {
    "Child",
    "WilfulChild",
    "PatientChild",
    "SignalledOtherwise",
    "UpdatedOtherwise",
}


def _forget_machine(message: Any) -> None:
    """Clears what names the machine that recorded, or its folders."""
    if isinstance(message, Failure):
        message.stack_trace = ""
    for field, value in message.ListFields():
        if field.name in ("identity", "last_worker_identity"):
            setattr(message, field.name, "a worker")
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for inner in value if hasattr(value, "add") else [value]:
                _forget_machine(inner)


async def _save(handle: Handle, name: str) -> None:
    history = History(events=(await handle.fetch_history()).events)
    for event in history.events:
        _forget_machine(event)
    text = WorkflowHistory(handle.id, list(history.events)).to_json()
    (HISTORIES / f"{name}.json").write_text(text, encoding="utf-8")


async def _record(client: Client, subject: type) -> None:
    name = subject.__name__
    if name in ("SignalsAnother", "CancelsAnother"):
        await client.start_workflow("PatientChild", id="somebody", task_queue=TASK_QUEUE)
    if name == "Stumbles":
        Stumbles.failures = 2
    handle = await _start(client, subject, **_OPTIONS.get(name, {}))
    drive = _DRIVES.get(name)
    if drive is not None:
        await drive(client, handle)
    try:
        await asyncio.wait_for(handle.result(follow_runs=False), 60)
    except (WorkflowContinuedAsNewError, WorkflowFailureError):
        # It has ended, and its history says how.
        pass
    except asyncio.TimeoutError:
        print(f"{name} does not end", file=sys.stderr)
    await _save(handle, name)
    with suppress(RPCError):
        await client.get_workflow_handle("somebody").terminate()


async def record(wanted: list[str]) -> None:
    HISTORIES.mkdir(exist_ok=True)
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=shutil.which("temporal"),
        search_attributes=[DISTRICT],
        identity="a client",
        dev_server_extra_args=[
            "--dynamic-config-value",
            'system.refreshNexusEndpointsMinWait="0s"',
        ],
        dev_server_log_level="error",
    ) as env:
        await nexus_subjects.create_endpoint(env.client, TASK_QUEUE)
        async with Worker(
            env.client,
            task_queue=TASK_QUEUE,
            workflows=[*WORKFLOWS, *nexus_subjects.WORKFLOWS],
            activities=ACTIVITIES,
            nexus_service_handlers=[nexus_subjects.Kitchen()],
            workflow_runner=UnsandboxedWorkflowRunner(),
            identity="a worker",
        ):
            for subject in [*WORKFLOWS, *nexus_subjects.RECORDED]:
                name = subject.__name__
                if name not in _NOT_RECORDED and (not wanted or name in wanted):
                    await _record(env.client, subject)


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1:]))
