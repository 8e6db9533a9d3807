"""Resets as clients request them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from tests.conformance.world import Run, World


async def reset(world: World, run: Run, finish_event_id: int, **fields: Any) -> Run:
    """Reset a run to before the event with which a workflow task finished; the new run."""
    request: dict[str, Any] = {
        "namespace": world.client.namespace,
        "workflow_execution": run.execution,
        "reason": "a bad deployment",
        "request_id": str(uuid4()),
        "identity": "resetter",
        "workflow_task_finish_event_id": finish_event_id,
    }
    response = await world.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(**{**request, **fields})
    )
    return Run(run.workflow_id, response.run_id)


async def finished_task(world: World, run: Run, number: int) -> int:
    """The id of the event that completed the workflow task of this number; -1 is the last one."""
    completed = [
        event.event_id
        for event in (await world.history(run)).events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    return completed[number if number < 0 else number - 1]


async def observe_run(world: World, label: str, run: Run) -> None:
    """Note the history of a run and how it is described."""
    await world.observe_history(f"{label}: history", run)
    world.observe(f"{label}: description", await world.describe(run))
