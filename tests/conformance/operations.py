"""What operators ask of runs under way and of their pending activities."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    PauseActivityResponse,
    PauseWorkflowExecutionRequest,
    PauseWorkflowExecutionResponse,
    ResetActivityRequest,
    ResetActivityResponse,
    UnpauseActivityRequest,
    UnpauseActivityResponse,
    UnpauseWorkflowExecutionRequest,
    UnpauseWorkflowExecutionResponse,
    UpdateActivityOptionsRequest,
    UpdateActivityOptionsResponse,
)

from tests.conformance.commands import schedule_activity, seconds
from tests.conformance.refusals import with_fields
from tests.conformance.world import Run, World

#: Retried soon, for ever.
SOON = RetryPolicy(initial_interval=seconds(0.1))

#: Retried, but not within a scenario.
LATE = RetryPolicy(initial_interval=seconds(60))


async def start_activities(
    world: World, *activity_ids: str, workflow: str = "order", **attributes: Any
) -> Run:
    """Start a run whose first workflow task schedules activities of these ids, or just `a`."""
    run = await world.start(workflow)
    attributes = {"start_to_close": 100, "heartbeat": 50, "retry_policy": SOON, **attributes}
    await world.raw.run_workflow_task(
        *(
            schedule_activity(activity_id, task_queue=world.task_queue, **attributes)
            for activity_id in activity_ids or ("a",)
        )
    )
    return run


async def pause(world: World, run: Run, **fields: Any) -> PauseActivityResponse:
    """Pause the activity `a`, or those that the fields name."""
    request = PauseActivityRequest(**_request(world, run, fields))
    return await world.client.workflow_service.pause_activity(request)


async def unpause(world: World, run: Run, **fields: Any) -> UnpauseActivityResponse:
    """Unpause the activity `a`, or those that the fields name."""
    request = UnpauseActivityRequest(**_request(world, run, fields))
    return await world.client.workflow_service.unpause_activity(request)


async def reset(world: World, run: Run, **fields: Any) -> ResetActivityResponse:
    """Reset the activity `a`, or those that the fields name."""
    request = ResetActivityRequest(**_request(world, run, fields))
    return await world.client.workflow_service.reset_activity(request)


async def update_options(
    world: World, run: Run, *paths: str, options: ActivityOptions | None = None, **fields: Any
) -> UpdateActivityOptionsResponse:
    """Change the options that the paths name, of the activity `a` unless the fields name others."""
    mask = FieldMask(paths=paths) if paths else None
    fields = {"activity_options": options, "update_mask": mask, **fields}
    request = UpdateActivityOptionsRequest(**_request(world, run, fields))
    return await world.client.workflow_service.update_activity_options(request)


async def pause_run(world: World, run: Run, **fields: Any) -> PauseWorkflowExecutionResponse:
    """Pause a run."""
    request = PauseWorkflowExecutionRequest(**_request_for_run(world, run, fields))
    return await world.client.workflow_service.pause_workflow_execution(request)


async def unpause_run(world: World, run: Run, **fields: Any) -> UnpauseWorkflowExecutionResponse:
    """Unpause a run."""
    request = UnpauseWorkflowExecutionRequest(**_request_for_run(world, run, fields))
    return await world.client.workflow_service.unpause_workflow_execution(request)


def _request(world: World, run: Run, fields: dict[str, Any]) -> dict[str, Any]:
    good = {
        "namespace": world.client.namespace,
        "execution": run.execution,
        "identity": "operator",
    }
    if not {"id", "type", "unpause_all", "match_all"} & fields.keys():
        good["id"] = "a"
    return with_fields(good, fields)


def _request_for_run(world: World, run: Run, fields: dict[str, Any]) -> dict[str, Any]:
    good = {
        "namespace": world.client.namespace,
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "identity": "operator",
        "reason": "an incident",
        "request_id": str(uuid4()),
    }
    return with_fields(good, fields)
