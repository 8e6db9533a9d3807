"""Reports of activities that are refused, by token and by id."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, Payloads, RetryPolicy
from temporalio.api.failure.v1 import Failure, TimeoutFailureInfo
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueResponse,
    RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatRequest,
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedByIdRequest,
    RespondActivityTaskFailedRequest,
)

from tests.conformance.commands import schedule_activity, seconds
from tests.conformance.payloads import application_failure
from tests.conformance.refusals import LONG, UNKNOWN_RUN_ID, observe_refusal, with_fields
from tests.conformance.scenario import scenario
from tests.conformance.world import Run, World

LARGE = Payloads(payloads=[Payload(data=b"x" * (2 * 1024 * 1024 + 1))])

BY_TOKEN: dict[str, tuple[str, type[Message]]] = {
    "heartbeat": ("record_activity_task_heartbeat", RecordActivityTaskHeartbeatRequest),
    "completed": ("respond_activity_task_completed", RespondActivityTaskCompletedRequest),
    "failed": ("respond_activity_task_failed", RespondActivityTaskFailedRequest),
    "canceled": ("respond_activity_task_canceled", RespondActivityTaskCanceledRequest),
}
BY_ID: dict[str, tuple[str, type[Message]]] = {
    "heartbeat": ("record_activity_task_heartbeat_by_id", RecordActivityTaskHeartbeatByIdRequest),
    "completed": ("respond_activity_task_completed_by_id", RespondActivityTaskCompletedByIdRequest),
    "failed": ("respond_activity_task_failed_by_id", RespondActivityTaskFailedByIdRequest),
    "canceled": ("respond_activity_task_canceled_by_id", RespondActivityTaskCanceledByIdRequest),
}


async def report(world: World, rpc: tuple[str, type[Message]], **fields: Any) -> Any:
    method, request = rpc
    good: dict[str, Any] = {"namespace": world.client.namespace, "identity": "worker"}
    if "failed" in method:
        good["failure"] = application_failure("activity failed")
    return await getattr(world.client.workflow_service, method)(
        request(**with_fields(good, fields))
    )


async def taken_activity(world: World) -> tuple[Run, PollActivityTaskQueueResponse]:
    """A run with two activities: a worker has "taken", "waiting" is in another queue."""
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("taken", task_queue=world.task_queue, start_to_close=60),
        schedule_activity("waiting", task_queue=world.unique("nobody"), start_to_close=60),
    )
    return run, await world.raw.poll_activity_task()


TOKENS = {"empty": b"", "garbage": b"garbage"}


@pytest.mark.parametrize("mistake", TOKENS)
@pytest.mark.parametrize("rpc", BY_TOKEN)
@scenario()
async def test_token_is_refused(world: World, rpc: str, mistake: str) -> None:
    run, _ = await taken_activity(world)
    asked = report(world, BY_TOKEN[rpc], task_token=TOKENS[mistake])
    await observe_refusal(world, asked, run)
    unnamed = report(world, BY_TOKEN[rpc], task_token=TOKENS[mistake], namespace="")
    await observe_refusal(world, unnamed, run)


@pytest.mark.parametrize("unknown", ["run", "workflow"])
@pytest.mark.parametrize("rpc", BY_TOKEN)
@scenario()
async def test_token_of_an_unknown_run_is_refused(world: World, rpc: str, unknown: str) -> None:
    run, task = await taken_activity(world)
    token = {
        "run": task.task_token.replace(run.run_id.encode(), UNKNOWN_RUN_ID.encode()),
        "workflow": task.task_token.replace(b"order-", b"other-"),
    }[unknown]
    await observe_refusal(world, report(world, BY_TOKEN[rpc], task_token=token), run)
    long = report(world, BY_TOKEN[rpc], task_token=token, identity=LONG)
    await observe_refusal(world, long, run)


@pytest.mark.parametrize("rpc", BY_TOKEN)
@scenario()
async def test_token_of_a_workflow_task_is_refused(world: World, rpc: str) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await observe_refusal(world, report(world, BY_TOKEN[rpc], task_token=task.task_token), run)


@pytest.mark.parametrize("rpc", BY_TOKEN)
@scenario()
async def test_token_of_a_closed_run_is_refused(world: World, rpc: str) -> None:
    run, task = await taken_activity(world)
    await world.terminate(run)
    await observe_refusal(world, report(world, BY_TOKEN[rpc], task_token=task.task_token), run)


@pytest.mark.parametrize("rpc", BY_TOKEN)
@scenario()
async def test_token_of_an_activity_that_is_over_is_refused(world: World, rpc: str) -> None:
    run, task = await taken_activity(world)
    await world.raw.complete_activity_task(task)
    await observe_refusal(world, report(world, BY_TOKEN[rpc], task_token=task.task_token), run)


@pytest.mark.parametrize("rpc", BY_TOKEN)
@scenario()
async def test_token_of_a_past_attempt_is_refused(world: World, rpc: str) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "retried",
            task_queue=world.task_queue,
            start_to_close=60,
            retry_policy=RetryPolicy(initial_interval=seconds(0.1)),
        )
    )
    task = await world.raw.poll_activity_task()
    await world.raw.fail_activity_task(task)
    await observe_refusal(world, report(world, BY_TOKEN[rpc], task_token=task.task_token))
    await world.raw.poll_activity_task()
    await observe_refusal(world, report(world, BY_TOKEN[rpc], task_token=task.task_token), run)


@pytest.mark.parametrize("namespace", ["nowhere", LONG])
@pytest.mark.parametrize("rpc", BY_TOKEN)
@scenario()
async def test_namespace_is_refused(world: World, rpc: str, namespace: str) -> None:
    run, task = await taken_activity(world)
    asked = report(world, BY_TOKEN[rpc], task_token=task.task_token, namespace=namespace)
    await observe_refusal(world, asked, run)
    garbage = report(world, BY_TOKEN[rpc], task_token=b"garbage", namespace=namespace)
    await observe_refusal(world, garbage, run)


@pytest.mark.parametrize("rpc", ["completed", "failed", "canceled"])
@scenario()
async def test_identity_is_refused(world: World, rpc: str) -> None:
    run, task = await taken_activity(world)
    asked = report(world, BY_TOKEN[rpc], task_token=task.task_token, identity=LONG)
    await observe_refusal(world, asked, run)


FAILURES = {
    "of no kind": Failure(message="what"),
    "timeout": Failure(message="late", timeout_failure_info=TimeoutFailureInfo()),
}


@pytest.mark.parametrize("failure", FAILURES)
@scenario()
async def test_failure_that_is_not_the_applications_is_refused(world: World, failure: str) -> None:
    run, task = await taken_activity(world)
    asked = report(world, BY_TOKEN["failed"], task_token=task.task_token, failure=FAILURES[failure])
    await observe_refusal(world, asked, run)
    long = report(
        world,
        BY_TOKEN["failed"],
        task_token=task.task_token,
        failure=FAILURES[failure],
        identity=LONG,
    )
    await observe_refusal(world, long, run)


@scenario()
async def test_cancellation_that_nobody_asked_for_is_refused(world: World) -> None:
    run, task = await taken_activity(world)
    asked = report(world, BY_TOKEN["canceled"], task_token=task.task_token)
    await observe_refusal(world, asked, run)
    by_id = report(world, BY_ID["canceled"], **named(run, "taken"))
    await observe_refusal(world, by_id, run)


# --- by id


def named(run: Run, activity_id: str) -> dict[str, str]:
    return {"workflow_id": run.workflow_id, "run_id": run.run_id, "activity_id": activity_id}


ID_MISTAKES: dict[str, dict[str, str]] = {
    "namespace empty": {"namespace": ""},
    "namespace unknown": {"namespace": "nowhere"},
    "namespace too long": {"namespace": LONG},
    "activity id empty": {"activity_id": ""},
    "activity id unknown": {"activity_id": "nobody"},
    "activity id too long": {"activity_id": LONG},
    "workflow id empty": {"workflow_id": "", "run_id": ""},
    "workflow id empty with a run id": {"workflow_id": ""},
    "workflow id empty, run id malformed": {"workflow_id": "", "run_id": "nonsense"},
    "workflow unknown": {"workflow_id": "nobody", "run_id": ""},
    "run unknown": {"run_id": UNKNOWN_RUN_ID},
    "run id malformed": {"run_id": "nonsense"},
    "identity too long": {"identity": LONG, "activity_id": "nobody"},
}


@pytest.mark.parametrize("mistake", ID_MISTAKES)
@pytest.mark.parametrize("rpc", BY_ID)
@scenario()
async def test_id_is_refused(world: World, rpc: str, mistake: str) -> None:
    run, _ = await taken_activity(world)
    fields = {**named(run, "taken"), **ID_MISTAKES[mistake]}
    await observe_refusal(world, report(world, BY_ID[rpc], **fields), run)


@pytest.mark.parametrize("rpc", BY_ID)
@scenario()
async def test_id_of_a_closed_run_is_refused(world: World, rpc: str) -> None:
    run, _ = await taken_activity(world)
    await world.terminate(run)
    await observe_refusal(world, report(world, BY_ID[rpc], **named(run, "taken")), run)


@pytest.mark.parametrize("rpc", BY_ID)
@scenario()
async def test_id_of_an_activity_that_is_over_is_refused(world: World, rpc: str) -> None:
    run, task = await taken_activity(world)
    await world.raw.complete_activity_task(task)
    await observe_refusal(world, report(world, BY_ID[rpc], **named(run, "taken")), run)


@pytest.mark.parametrize("rpc", ["heartbeat", "failed", "canceled"])
@scenario()
async def test_id_of_an_activity_that_no_worker_has_is_refused(world: World, rpc: str) -> None:
    run, _ = await taken_activity(world)
    await observe_refusal(world, report(world, BY_ID[rpc], **named(run, "waiting")), run)


@scenario()
async def test_activity_that_no_worker_has_is_completed_by_its_id(world: World) -> None:
    run, _ = await taken_activity(world)
    await report(world, BY_ID["completed"], **named(run, "waiting"))
    await world.observe_history("history", run)


@scenario()
async def test_activity_between_attempts_is_completed_by_its_id(world: World) -> None:
    run, task = await taken_activity(world)
    await world.raw.fail_activity_task(task)
    await report(world, BY_ID["completed"], **named(run, "taken"))
    await world.observe_history("history", run)


# --- what is too large


@scenario()
async def test_heartbeat_that_is_too_large_fails_the_activity(world: World) -> None:
    run, task = await taken_activity(world)
    answer = await report(world, BY_TOKEN["heartbeat"], task_token=task.task_token, details=LARGE)
    world.observe("answer", answer)
    await world.observe_history("history", run)


@pytest.mark.parametrize("rpc", ["completed", "canceled"])
@scenario()
async def test_result_that_is_too_large_fails_the_activity(world: World, rpc: str) -> None:
    run, task = await taken_activity(world)
    field = {"completed": "result", "canceled": "details"}[rpc]
    await report(world, BY_TOKEN[rpc], task_token=task.task_token, **{field: LARGE})
    await world.observe_history("history", run)


@scenario()
async def test_last_heartbeat_that_is_too_large_is_dropped(world: World) -> None:
    run, task = await taken_activity(world)
    answer = await report(
        world, BY_TOKEN["failed"], task_token=task.task_token, last_heartbeat_details=LARGE
    )
    world.observe("answer", answer)
    world.observe("description", await world.describe(run))


@pytest.mark.parametrize("part", ["message", "stack trace", "cause", "details"])
@scenario()
async def test_failure_that_is_too_large_is_shortened(world: World, part: str) -> None:
    run, task = await taken_activity(world)
    failure = application_failure("activity failed", error_type="Fatal")
    if part == "message":
        failure.message = "€" * 1_000_000
    elif part == "stack trace":
        failure.stack_trace = "x" * 3_000_000
    elif part == "cause":
        failure.cause.message = "x" * 3_000_000
    else:
        failure.application_failure_info.details.CopyFrom(LARGE)
    answer = await report(world, BY_TOKEN["failed"], task_token=task.task_token, failure=failure)
    world.observe("answer", answer)
    await world.observe_history("history", run)
