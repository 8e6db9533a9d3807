"""The operations on activities in their newer form, in which a workflow id may be left out.

With one they do to an activity of a run what the older ones do. Without one they are about
activities that belong to no workflow, which timeskip does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.workflowservice.v1 import (
    PauseActivityExecutionRequest,
    ResetActivityExecutionRequest,
    UnpauseActivityExecutionRequest,
    UpdateActivityExecutionOptionsRequest,
)

from tests.conformance.commands import seconds
from tests.conformance.operations import LATE, start_activities
from tests.conformance.refusals import LONG, UNKNOWN_RUN_ID, observe_refusal, with_fields
from tests.conformance.scenario import options, scenario
from tests.conformance.test_activity_options import CHANGES, PATHS, every_option
from tests.conformance.world import Run, World

REQUESTS: dict[str, type[Message]] = {
    "pause_activity_execution": PauseActivityExecutionRequest,
    "unpause_activity_execution": UnpauseActivityExecutionRequest,
    "reset_activity_execution": ResetActivityExecutionRequest,
    "update_activity_execution_options": UpdateActivityExecutionOptionsRequest,
}

PAUSE, UNPAUSE, RESET, UPDATE = REQUESTS

SHORTER = ActivityOptions(start_to_close_timeout=seconds(70), heartbeat_timeout=seconds(30))
ONE_PATH = FieldMask(paths=["start_to_close_timeout"])


async def operate(world: World, rpc: str, run: Run, **fields: Any) -> Any:
    """Ask for an operation on the activity `a` of a run, or on what the fields name."""
    good = {
        "namespace": world.client.namespace,
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "activity_id": "a",
        "identity": "operator",
    }
    return await getattr(world.client.workflow_service, rpc)(
        REQUESTS[rpc](**with_fields(good, fields))
    )


@scenario(
    "rpc:PauseActivityExecution",
    "rpc:UnpauseActivityExecution",
    *options(
        "PauseActivityExecutionRequest",
        "namespace",
        "workflow_id",
        "activity_id",
        "run_id",
        "identity",
        "reason",
    ),
    *options(
        "UnpauseActivityExecutionRequest",
        "namespace",
        "workflow_id",
        "activity_id",
        "run_id",
        "identity",
    ),
)
async def test_an_activity_is_paused_and_unpaused(world: World) -> None:
    run = await start_activities(world, "a", "b")
    closed = "the bank is closed"
    world.observe("pause", await operate(world, PAUSE, run, reason=closed))
    world.observe("paused", await world.describe(run))
    world.observe_task("another activity", await world.raw.poll_activity_task())
    world.observe("unpause", await operate(world, UNPAUSE, run, run_id=None))
    world.observe("unpaused", await world.describe(run))
    task = await world.raw.poll_activity_task()
    world.observe_task("activity", task)
    await operate(world, PAUSE, run, run_id=None)
    world.observe("heartbeat", await world.raw.heartbeat(task, 1))
    await world.raw.complete_activity_task(task)
    await world.observe_history("history", run)


@scenario(
    "rpc:PauseActivityExecution",
    "rpc:UnpauseActivityExecution",
    "rpc:ResetActivityExecution",
    "rpc:UpdateActivityExecutionOptions",
    *options("PauseActivityExecutionRequest", "request_id", "resource_id"),
    *options("UnpauseActivityExecutionRequest", "request_id", "resource_id", "reason"),
    *options("ResetActivityExecutionRequest", "request_id", "resource_id"),
    *options("UpdateActivityExecutionOptionsRequest", "request_id", "resource_id"),
)
async def test_operations_on_an_activity_are_asked_for_twice(world: World) -> None:
    run = await start_activities(world)
    twice = {"request_id": world.unique("request"), "resource_id": "a hint"}
    for rpc in REQUESTS:
        given = {"activity_options": SHORTER, "update_mask": ONE_PATH} if rpc == UPDATE else {}
        reason = {"reason": "once more"} if rpc in (PAUSE, UNPAUSE) else {}
        for time in ("once", "twice"):
            asked = operate(world, rpc, run, **twice, **given, **reason)
            await world.observe_error(f"{rpc} {time}", asked)
            world.observe(f"after {rpc} {time}", await world.describe(run))
    await operate(world, PAUSE, run)
    await world.observe_error("pause by another", operate(world, PAUSE, run, request_id="other"))


@scenario(
    "rpc:ResetActivityExecution",
    *options(
        "ResetActivityExecutionRequest",
        "namespace",
        "workflow_id",
        "activity_id",
        "run_id",
        "identity",
        "keep_paused",
        "reset_heartbeat",
        "restore_original_options",
    ),
)
async def test_an_activity_begins_again(world: World) -> None:
    run = await start_activities(world, retry_policy=LATE)
    task = await world.raw.poll_activity_task()
    await world.raw.heartbeat(task, "page 1")
    await world.raw.fail_activity_task(task)
    await operate(world, UPDATE, run, activity_options=SHORTER, update_mask=ONE_PATH)
    await operate(world, PAUSE, run)
    world.observe("kept paused", await operate(world, RESET, run, keep_paused=True))
    world.observe("paused", await world.describe(run))
    asked = operate(world, RESET, run, reset_heartbeat=True, restore_original_options=True)
    world.observe("reset", await asked)
    world.observe("from the beginning", await world.describe(run))
    again = await world.raw.poll_activity_task()
    world.observe_task("activity", again)
    await world.raw.complete_activity_task(again)
    await world.observe_history("history", run)


@scenario(
    "rpc:ResetActivityExecution",
    "rpc:UnpauseActivityExecution",
    "option:ResetActivityExecutionRequest.jitter",
    "option:UnpauseActivityExecutionRequest.jitter",
)
async def test_an_activity_begins_again_at_some_instant(world: World) -> None:
    run = await start_activities(world, retry_policy=LATE)
    await world.raw.fail_activity_task(await world.raw.poll_activity_task())
    world.observe("reset", await operate(world, RESET, run, jitter=seconds(0.01)))
    await world.raw.fail_activity_task(await world.raw.poll_activity_task())
    await operate(world, PAUSE, run)
    world.observe("unpause", await operate(world, UNPAUSE, run, jitter=seconds(0.01)))
    world.observe_task("activity", await world.raw.poll_activity_task())


@scenario(
    "rpc:UpdateActivityExecutionOptions",
    *options(
        "UpdateActivityExecutionOptionsRequest",
        "namespace",
        "workflow_id",
        "activity_id",
        "run_id",
        "identity",
        "activity_options",
        "update_mask",
        "restore_original",
    ),
)
async def test_options_of_an_activity_are_changed_and_restored(world: World) -> None:
    run = await start_activities(world)
    changed = operate(world, UPDATE, run, activity_options=SHORTER, update_mask=ONE_PATH)
    world.observe("answer", await changed)
    world.observe("changed", await world.describe(run))
    world.observe("restored", await operate(world, UPDATE, run, restore_original=True))
    world.observe_task("activity", await world.raw.poll_activity_task())


MISTAKES: dict[str, Mapping[str, Any]] = {
    "namespace empty": {"namespace": ""},
    "namespace unknown": {"namespace": "nowhere"},
    "workflow unknown": {"workflow_id": "nobody", "run_id": None},
    "workflow id too long": {"workflow_id": LONG},
    "run unknown": {"run_id": UNKNOWN_RUN_ID},
    "run id malformed": {"run_id": "nonsense"},
    "activity missing": {"activity_id": None},
    "activity unknown": {"activity_id": "z"},
    "activity id too long": {"activity_id": LONG},
    "identity too long": {"identity": LONG},
    "request id too long": {"request_id": LONG},
    "activity and request id too long": {"activity_id": LONG, "request_id": LONG},
    "activity missing, request id too long": {"activity_id": None, "request_id": LONG},
    "activity and identity too long": {"activity_id": LONG, "identity": LONG},
    "identity too long, run id malformed": {"identity": LONG, "run_id": "nonsense"},
    "workflow missing": {"workflow_id": None, "run_id": None},
    "workflow missing, run id malformed": {"workflow_id": None, "run_id": "nonsense"},
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("rpc", REQUESTS)
@scenario()
async def test_operation_on_an_activity_is_refused(world: World, rpc: str, mistake: str) -> None:
    run = await start_activities(world)
    given = {"activity_options": SHORTER, "update_mask": ONE_PATH} if rpc == UPDATE else {}
    await observe_refusal(world, operate(world, rpc, run, **given, **MISTAKES[mistake]), run)


@pytest.mark.parametrize("rpc", [UNPAUSE, RESET])
@scenario()
async def test_negative_jitter_is_refused(world: World, rpc: str) -> None:
    run = await start_activities(world)
    await observe_refusal(world, operate(world, rpc, run, jitter=seconds(-1)), run)


INCOMPLETE: dict[str, Mapping[str, Any]] = {
    "mask missing": {"activity_options": SHORTER},
    "options missing": {"update_mask": ONE_PATH},
    "nothing": {},
    "mask with the original": {"update_mask": ONE_PATH, "restore_original": True},
}


@pytest.mark.parametrize("mistake", INCOMPLETE)
@scenario("rpc:UpdateActivityExecutionOptions")
async def test_incomplete_change_of_an_activity_is_refused(world: World, mistake: str) -> None:
    run = await start_activities(world)
    await observe_refusal(world, operate(world, UPDATE, run, **INCOMPLETE[mistake]), run)


@scenario("rpc:UpdateActivityExecutionOptions")
async def test_changes_of_an_activity_are_refused_or_taken_as_they_are(world: World) -> None:
    changes = {path: (path, every_option("elsewhere")) for path in PATHS}
    for name, (path, changed) in {**changes, **CHANGES}.items():
        run = await start_activities(world, workflow=name)
        mask = FieldMask(paths=[path])
        asked = operate(world, UPDATE, run, activity_options=changed, update_mask=mask)
        await world.observe_error(name, asked)
        (activity,) = (await world.describe(run)).pending_activities
        world.observe(f"{name}: options", activity.activity_options)


@pytest.mark.parametrize("rpc", REQUESTS)
@scenario()
async def test_activity_of_a_closed_run_is_left_alone(world: World, rpc: str) -> None:
    run = await start_activities(world)
    await world.terminate(run)
    given = {"activity_options": SHORTER, "update_mask": ONE_PATH} if rpc == UPDATE else {}
    await observe_refusal(world, operate(world, rpc, run, **given), run)
