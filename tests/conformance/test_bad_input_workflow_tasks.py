"""Answers to workflow tasks and queries that are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, Payloads, WorkerVersionStamp
from temporalio.api.enums.v1 import QueryResultType, VersioningBehavior
from temporalio.api.query.v1 import WorkflowQueryResult
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueResponse,
    RegisterNamespaceRequest,
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
)

from tests.conformance.commands import complete_workflow, seconds
from tests.conformance.refusals import LONG, UNKNOWN_RUN_ID, observe_refusal, with_fields
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World

RPCS: dict[str, tuple[str, type[Message]]] = {
    "completed": ("respond_workflow_task_completed", RespondWorkflowTaskCompletedRequest),
    "failed": ("respond_workflow_task_failed", RespondWorkflowTaskFailedRequest),
}

LARGE = Payloads(payloads=[Payload(data=b"x" * (2 * 1024 * 1024 + 1))])

TOKENS = {"empty": b"", "garbage": b"garbage", "bytes": b"\xff\xff\xff"}


async def answer(world: World, rpc: str, **fields: Any) -> Any:
    method, request = RPCS[rpc]
    good = {"namespace": world.client.namespace, "identity": "worker"}
    return await getattr(world.client.workflow_service, method)(
        request(**with_fields(good, fields))
    )


async def taken_task(world: World) -> tuple[Run, PollWorkflowTaskQueueResponse]:
    """A run, and its workflow task in the hands of a worker."""
    run = await world.start()
    return run, await world.raw.poll_workflow_task()


@pytest.mark.parametrize("mistake", TOKENS)
@pytest.mark.parametrize("rpc", RPCS)
@scenario()
async def test_token_is_refused(world: World, rpc: str, mistake: str) -> None:
    run, _ = await taken_task(world)
    await observe_refusal(world, answer(world, rpc, task_token=TOKENS[mistake]), run)


@pytest.mark.parametrize("rpc", RPCS)
@scenario()
async def test_truncated_token_is_refused(world: World, rpc: str) -> None:
    run, task = await taken_task(world)
    await observe_refusal(world, answer(world, rpc, task_token=task.task_token[:-3]), run)


@pytest.mark.parametrize("unknown", ["run", "workflow"])
@pytest.mark.parametrize("rpc", RPCS)
@scenario()
async def test_token_of_an_unknown_run_is_refused(world: World, rpc: str, unknown: str) -> None:
    run, task = await taken_task(world)
    token = {
        "run": task.task_token.replace(run.run_id.encode(), UNKNOWN_RUN_ID.encode()),
        "workflow": task.task_token.replace(b"order-", b"other-"),
    }[unknown]
    await observe_refusal(world, answer(world, rpc, task_token=token), run)
    await observe_refusal(world, answer(world, rpc, task_token=token, namespace=""), run)


@pytest.mark.parametrize("rpc", RPCS)
@scenario()
async def test_token_of_a_closed_run_is_refused(world: World, rpc: str) -> None:
    run, task = await taken_task(world)
    await world.terminate(run)
    await observe_refusal(world, answer(world, rpc, task_token=task.task_token), run)


@pytest.mark.parametrize("rpc", RPCS)
@scenario()
async def test_token_of_a_past_attempt_is_refused(world: World, rpc: str) -> None:
    run, task = await taken_task(world)
    await world.raw.fail_workflow_task(task)
    await observe_refusal(world, answer(world, rpc, task_token=task.task_token), run)
    await world.raw.poll_workflow_task()
    await observe_refusal(world, answer(world, rpc, task_token=task.task_token), run)


@pytest.mark.parametrize("namespace", ["nowhere", LONG])
@pytest.mark.parametrize("rpc", RPCS)
@scenario()
async def test_namespace_is_refused(world: World, rpc: str, namespace: str) -> None:
    run, task = await taken_task(world)
    asked = answer(world, rpc, task_token=task.task_token, namespace=namespace)
    await observe_refusal(world, asked, run)
    await observe_refusal(world, answer(world, rpc, task_token=b"", namespace=namespace), run)


@pytest.mark.parametrize("rpc", RPCS)
@scenario()
async def test_token_of_another_namespace_is_refused(world: World, rpc: str) -> None:
    run, task = await taken_task(world)
    other = world.unique("other")
    await world.client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=other, workflow_execution_retention_period=seconds(24 * 3600)
        )
    )
    await eventually_known(world, other)
    asked = answer(world, rpc, task_token=task.task_token, namespace=other)
    await observe_refusal(world, asked, run)


@pytest.mark.parametrize("rpc", RPCS)
@scenario()
async def test_identity_is_refused_after_the_token(world: World, rpc: str) -> None:
    run, task = await taken_task(world)
    asked = answer(world, rpc, task_token=task.task_token, identity=LONG)
    await observe_refusal(world, asked, run)
    garbage = answer(world, rpc, task_token=b"garbage", identity=LONG)
    await observe_refusal(world, garbage, run)


VERSIONING: dict[str, Mapping[str, Any]] = {
    "behavior without deployment": {
        "versioning_behavior": VersioningBehavior.VERSIONING_BEHAVIOR_PINNED
    },
    "build id too long": {"worker_version_stamp": WorkerVersionStamp(build_id="b" * 256)},
    "no build id": {"worker_version_stamp": WorkerVersionStamp(use_versioning=True)},
}

#: Answers in several parts.
PAGES: dict[str, Mapping[str, Any]] = {
    "first": {"intermediate_page": True},
    "last": {"page_number": 1},
    "and the version of the worker": {"page_number": 1, **VERSIONING["no build id"]},
    "and the identity of the worker": {"page_number": 1, "identity": LONG},
}


@pytest.mark.parametrize("mistake", VERSIONING)
@scenario()
async def test_version_of_the_worker_is_refused(world: World, mistake: str) -> None:
    run, task = await taken_task(world)
    asked = answer(world, "completed", task_token=task.task_token, **VERSIONING[mistake])
    await observe_refusal(world, asked, run)


@pytest.mark.parametrize("part", PAGES)
@scenario(*options("RespondWorkflowTaskCompletedRequest", "page_number", "intermediate_page"))
async def test_part_of_an_answer_is_refused(world: World, part: str) -> None:
    run, task = await taken_task(world)
    asked = answer(world, "completed", task_token=task.task_token, **PAGES[part])
    await observe_refusal(world, asked, run)


@scenario()
async def test_task_is_still_open_after_a_refused_answer(world: World) -> None:
    run, task = await taken_task(world)
    asked = answer(
        world,
        "completed",
        task_token=task.task_token,
        commands=[complete_workflow(), complete_workflow()],
    )
    await observe_refusal(world, asked, run)
    await world.raw.complete_workflow_task(task, complete_workflow())
    await world.observe_history("history", run)


@scenario()
async def test_failure_that_is_too_large_is_shortened(world: World) -> None:
    run, task = await taken_task(world)
    await world.raw.fail_workflow_task(task, "x" * (2 * 1024 * 1024 + 1))
    await world.observe_history("history", run)


async def eventually_known(world: World, namespace: str) -> None:
    """Wait until a new namespace is known to every part of the server."""
    while True:
        try:
            await answer(world, "completed", task_token=b"", namespace=namespace)
        except Exception as error:  # noqa: BLE001 - told apart by its message
            if "is not found" not in str(error):
                return
        await asyncio.sleep(0.05)


# --- queries


async def answer_query(world: World, **fields: Any) -> Any:
    good = {
        "namespace": world.client.namespace,
        "completed_type": QueryResultType.QUERY_RESULT_TYPE_ANSWERED,
    }
    return await world.client.workflow_service.respond_query_task_completed(
        RespondQueryTaskCompletedRequest(**with_fields(good, fields))
    )


@pytest.mark.parametrize("mistake", TOKENS)
@scenario()
async def test_token_of_a_query_is_refused(world: World, mistake: str) -> None:
    await observe_refusal(world, answer_query(world, task_token=TOKENS[mistake]))
    unnamed = answer_query(world, task_token=TOKENS[mistake], namespace="")
    await observe_refusal(world, unnamed)
    unknown = answer_query(world, task_token=TOKENS[mistake], namespace="nowhere")
    await observe_refusal(world, unknown)


@scenario()
async def test_query_is_answered_once(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task()
    query = asyncio.create_task(world.query(run))
    task = await world.raw.poll_workflow_task()
    unknown = task.task_token.replace(task.task_token[-20:-5], b"000000000000000")
    await observe_refusal(world, answer_query(world, task_token=unknown), run)
    await world.raw.answer_query(task, "first")
    await observe_refusal(world, answer_query(world, task_token=task.task_token), run)
    world.observe("answer of the query", await query)


@pytest.mark.parametrize("alone", [True, False])
@scenario()
async def test_answer_of_a_query_that_is_too_large_is_refused(world: World, alone: bool) -> None:
    run = await world.start()
    if alone:
        await world.raw.run_workflow_task()
    query = asyncio.create_task(world.query(run))
    if alone:
        task = await world.raw.poll_workflow_task()
        await observe_refusal(
            world, answer_query(world, task_token=task.task_token, query_result=LARGE), run
        )
    else:
        task = await world.poll_workflow_task_with_query()
        result = WorkflowQueryResult(
            result_type=QueryResultType.QUERY_RESULT_TYPE_ANSWERED, answer=LARGE
        )
        await world.raw.complete_workflow_task(
            task, query_results=dict.fromkeys(task.queries, result)
        )
    await world.observe_error("query", query)
