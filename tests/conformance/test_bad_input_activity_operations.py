"""Requests about pending activities that name no run or no activity, or none that is there."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import WorkflowExecution

from tests.conformance.commands import seconds
from tests.conformance.operations import (
    pause,
    reset,
    start_activities,
    unpause,
    update_options,
)
from tests.conformance.refusals import LONG, UNKNOWN_RUN_ID, observe_refusal
from tests.conformance.scenario import scenario
from tests.conformance.world import Run, World


class Operation(Protocol):
    """One of the RPCs, sent for the activity `a` unless the fields name others."""

    def __call__(self, world: World, run: Run, **fields: Any) -> Coroutine[Any, Any, Any]: ...


OPERATIONS: dict[str, tuple[Operation, Mapping[str, Any]]] = {
    "pause": (pause, {}),
    "unpause": (unpause, {}),
    "reset": (reset, {}),
    "options": (
        update_options,
        {
            "activity_options": ActivityOptions(heartbeat_timeout=seconds(5)),
            "update_mask": FieldMask(paths=["heartbeat_timeout"]),
        },
    ),
}

NOBODY = WorkflowExecution(workflow_id="nobody")

#: Fields that differ from those of a good request.
MISTAKES: dict[str, Mapping[str, Any]] = {
    "namespace empty": {"namespace": ""},
    "namespace unknown": {"namespace": "nowhere"},
    "namespace too long": {"namespace": LONG},
    "namespace before all else": {"namespace": "nowhere", "execution": None, "id": None},
    "execution missing": {"execution": None},
    "workflow id empty": {"execution": WorkflowExecution(run_id=UNKNOWN_RUN_ID)},
    "workflow unknown": {"execution": NOBODY},
    "workflow id too long": {"execution": WorkflowExecution(workflow_id=LONG)},
    "run id malformed": {"execution": WorkflowExecution(workflow_id="nobody", run_id="nonsense")},
    "run unknown": {"execution": WorkflowExecution(workflow_id="nobody", run_id=UNKNOWN_RUN_ID)},
    "activity missing": {"id": None},
    "activity missing of nobody": {"id": None, "execution": NOBODY},
    "activity missing without workflow id": {"id": None, "execution": None},
    "id empty": {"id": ""},
    "id unknown": {"id": "nobody"},
    "id too long": {"id": LONG},
    "type empty": {"type": ""},
    "type unknown": {"type": "nothing"},
    "type too long": {"type": LONG},
}


@pytest.mark.parametrize("operation", OPERATIONS)
@scenario()
async def test_activity_operation_is_refused(world: World, operation: str) -> None:
    run = await start_activities(world)
    send, good = OPERATIONS[operation]
    for fields in MISTAKES.values():
        await observe_refusal(world, send(world, run, **{**good, **fields}), run)


@pytest.mark.parametrize("operation", OPERATIONS)
@scenario()
async def test_activity_operation_is_accepted_in_spite_of_its_length(
    world: World, operation: str
) -> None:
    run = await start_activities(world)
    send, good = OPERATIONS[operation]
    await world.observe_error("identity", send(world, run, **{**good, "identity": LONG}))
    spelled = WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id.upper())
    await world.observe_error("run id", send(world, run, **{**good, "execution": spelled}))


@pytest.mark.parametrize("operation", OPERATIONS)
@scenario()
async def test_activity_operation_finds_no_activity(world: World, operation: str) -> None:
    run = await world.start()
    send, good = OPERATIONS[operation]
    await observe_refusal(world, send(world, run, **{**good, "type": "charge"}), run)
    if operation != "pause":
        everything = "unpause_all" if operation == "unpause" else "match_all"
        await observe_refusal(world, send(world, run, **{**good, everything: True}), run)
