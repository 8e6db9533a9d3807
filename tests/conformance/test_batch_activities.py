"""Batch operations on the activities of runs.

Not tried: to update or restore options without naming the options in the mask. It brings the real
server down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.batch.v1 import (
    BatchOperationResetActivities,
    BatchOperationUnpauseActivities,
    BatchOperationUpdateActivityOptions,
)
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.workflowservice.v1 import PauseActivityRequest

from tests.conformance.batches import observe_batch, start_batch
from tests.conformance.commands import schedule_activity, seconds
from tests.conformance.listings import of_scenario, until_listed
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World

START = "StartBatchOperationRequest"


async def paused_activities(world: World) -> Run:
    """A run with two paused activities: one waits for its second attempt, the other one is running."""
    run = await world.start()
    policy = RetryPolicy(initial_interval=seconds(60))
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            activity_type="charge",
            start_to_close=50,
            retry_policy=policy,
        ),
        schedule_activity(
            "b", task_queue=world.task_queue, activity_type="ship", start_to_close=50
        ),
    )
    for _ in range(2):
        task = await world.raw.poll_activity_task()
        if task.activity_id == "a":
            await world.raw.fail_activity_task(task)
        else:
            await world.raw.heartbeat(task, 3)
    for activity_id in ("a", "b"):
        await world.client.workflow_service.pause_activity(
            PauseActivityRequest(
                namespace=world.client.namespace,
                execution=run.execution,
                identity="operator",
                id=activity_id,
            )
        )
    return run


def unpause(**fields: Any) -> dict[str, Any]:
    return {"unpause_activities_operation": BatchOperationUnpauseActivities(identity="o", **fields)}


def reset(**fields: Any) -> dict[str, Any]:
    return {"reset_activities_operation": BatchOperationResetActivities(identity="o", **fields)}


def update(*paths: str, given: ActivityOptions | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "update_activity_options_operation": BatchOperationUpdateActivityOptions(
            identity="o",
            activity_options=given or ActivityOptions(start_to_close_timeout=seconds(77)),
            update_mask=FieldMask(paths=paths or ("start_to_close_timeout",)),
            **fields,
        )
    }


OPERATIONS: Mapping[str, dict[str, Any]] = {
    "unpause a type": unpause(type="charge"),
    "unpause all": unpause(match_all=True),
    "unpause and reset": unpause(match_all=True, reset_attempts=True, reset_heartbeat=True),
    "unpause an unknown type": unpause(type="nobody"),
    "reset a type": reset(type="charge"),
    "reset all": reset(match_all=True, reset_attempts=True, reset_heartbeat=True),
    "reset and keep paused": reset(match_all=True, keep_paused=True),
    "reset and restore": reset(match_all=True, restore_original_options=True),
    "reset an unknown type": reset(type="nobody"),
    "update a type": update(type="charge"),
    "update all": update(match_all=True),
    "update an unknown type": update(type="nobody"),
    "update nothing": update(),
    "update an unknown option": update("nonsense", type="charge"),
}


async def observe_pauses(world: World, run: Run) -> None:
    """Note the description of a run, but for the order of its paused types, which is random."""
    description = await world.describe(run)
    attributes = description.workflow_execution_info.search_attributes.indexed_fields
    if "TemporalPauseInfo" in attributes:
        paused = attributes["TemporalPauseInfo"]
        paused.data = json.dumps(sorted(json.loads(paused.data))).encode()
    world.observe("run", description)


@pytest.mark.parametrize("case", OPERATIONS)
@scenario(
    "rpc:StartBatchOperation",
    *options(
        START,
        "unpause_activities_operation",
        "reset_activities_operation",
        "update_activity_options_operation",
    ),
)
async def test_activities_of_runs_that_are_named(world: World, case: str) -> None:
    run = await paused_activities(world)
    await observe_batch(world, executions=[run.execution], **OPERATIONS[case])
    await observe_pauses(world, run)


@pytest.mark.parametrize("case", ["unpause a type", "reset a type", "update a type"])
@scenario("rpc:StartBatchOperation")
async def test_activities_of_runs_that_a_filter_finds(world: World, case: str) -> None:
    run = await paused_activities(world)
    closed = await world.start("closed")
    await world.terminate(closed)
    await until_listed(world, 1, "ExecutionStatus = 'Running'")
    await until_listed(world, 1, "ExecutionStatus = 'Terminated'")
    await observe_batch(world, visibility_query=of_scenario(world), **OPERATIONS[case])
    await observe_pauses(world, run)


BAD: Mapping[str, dict[str, Any]] = {
    "unpause none": unpause(),
    "unpause no type": unpause(type=""),
    "unpause not all": unpause(match_all=False),
    "reset none": reset(),
    "reset no type": reset(type=""),
    "reset not all": reset(match_all=False),
    "update no type": update(type=""),
    "update not all": update(match_all=False),
    "update without options": {
        "update_activity_options_operation": BatchOperationUpdateActivityOptions(type="charge")
    },
    "update and restore": update(type="charge", restore_original=True),
}


@pytest.mark.parametrize("mistake", BAD)
@scenario()
async def test_batch_on_activities_is_refused(world: World, mistake: str) -> None:
    run = await world.start()
    await world.observe_error(
        "answer", start_batch(world, executions=[run.execution], **BAD[mistake])
    )
