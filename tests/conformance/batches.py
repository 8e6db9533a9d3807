"""Batch operations as clients request them, and what comes of them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from temporalio.api.enums.v1 import BatchOperationState
from temporalio.api.workflowservice.v1 import (
    DescribeBatchOperationRequest,
    DescribeBatchOperationResponse,
    StartBatchOperationRequest,
)

from tests.conformance.world import Run, World


async def start_batch(world: World, **fields: Any) -> str:
    """Start a batch operation; its job id."""
    request: dict[str, Any] = {
        "namespace": world.client.namespace,
        "job_id": str(uuid4()),
        "reason": "spring cleaning",
        **fields,
    }
    await world.client.workflow_service.start_batch_operation(StartBatchOperationRequest(**request))
    job_id: str = request["job_id"]
    return job_id


async def describe_batch(world: World, job_id: str) -> DescribeBatchOperationResponse:
    """How far a batch operation has come."""
    return await world.client.workflow_service.describe_batch_operation(
        DescribeBatchOperationRequest(namespace=world.client.namespace, job_id=job_id)
    )


async def until_over(world: World, job_id: str) -> DescribeBatchOperationResponse:
    """Wait until a batch operation is over."""
    while True:
        job = await describe_batch(world, job_id)
        if job.state != BatchOperationState.BATCH_OPERATION_STATE_RUNNING:
            return job
        await asyncio.sleep(0.05)


async def observe_batch(world: World, label: str = "batch", **fields: Any) -> None:
    """Start a batch operation, and note what has come of it."""
    world.observe(label, await until_over(world, await start_batch(world, **fields)))


async def observe_touched(world: World, label: str, run: Run) -> None:
    """Note the history of a run, but for the name of the server's own worker."""
    history = await world.history(run)
    for event in history.events:
        for attributes in (
            event.workflow_execution_terminated_event_attributes,
            event.workflow_execution_cancel_requested_event_attributes,
        ):
            if "@" in attributes.identity:
                attributes.identity = "the server's worker"
    world.observations.add_history(label, history)
