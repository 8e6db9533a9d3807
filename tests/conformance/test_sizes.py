"""Requests that carry more than a server takes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from temporalio.api.common.v1 import Header, Link
from temporalio.api.sdk.v1 import UserMetadata

from tests.conformance.commands import schedule_activity, start_child, start_timer
from tests.conformance.payloads import memo, payloads
from tests.conformance.refusals import LONG
from tests.conformance.scenario import options, scenario
from tests.conformance.updates import (
    ACCEPTED,
    accept,
    answer,
    begun,
    idle_run,
    respond,
    update,
)
from tests.conformance.world import World

Call = Callable[[], Coroutine[Any, Any, Any]]

#: More bytes than a payload may have.
LARGE = "x" * 2_100_000

SUMMARY_LIMIT = 400
DETAILS_LIMIT = 20_000


def metadata(summary: int = 0, details: int = 0) -> UserMetadata:
    """Metadata whose payloads have so many bytes of text."""
    return UserMetadata(
        summary=payloads("s" * summary).payloads[0] if summary else None,
        details=payloads("d" * details).payloads[0] if details else None,
    )


METADATA = {
    "short": metadata(SUMMARY_LIMIT - 100, DETAILS_LIMIT - 100),
    "summary": metadata(SUMMARY_LIMIT),
    "details": metadata(10, DETAILS_LIMIT),
    "both": metadata(SUMMARY_LIMIT, DETAILS_LIMIT),
}


@scenario("rpc:StartWorkflowExecution", *options("StartWorkflowExecutionRequest", "user_metadata"))
@pytest.mark.parametrize("too_long", METADATA)
async def test_metadata_of_a_workflow_is_too_long(world: World, too_long: str) -> None:
    await world.observe_error("answer", done(world.start(user_metadata=METADATA[too_long])))


@scenario("rpc:RespondWorkflowTaskCompleted", *options("Command", "user_metadata"))
@pytest.mark.parametrize("too_long", METADATA)
@pytest.mark.parametrize("kind", ["timer", "activity", "child"])
async def test_metadata_of_a_command_is_too_long(world: World, kind: str, too_long: str) -> None:
    command = {
        "timer": start_timer("timer", 60),
        "activity": schedule_activity(
            "activity", task_queue=world.unique("elsewhere"), start_to_close=10
        ),
        "child": start_child(world.unique("child")),
    }[kind]
    command.user_metadata.CopyFrom(METADATA[too_long])
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.observe_error("answer", world.raw.complete_workflow_task(task, command))
    if kind != "child" or too_long != "short":
        await world.observe_history("history", run)


@scenario("rpc:RespondWorkflowTaskCompleted", "option:RespondWorkflowTaskCompletedRequest.messages")
@pytest.mark.parametrize("part", ["request", "result", "failure", "late result"])
async def test_the_answer_to_an_update_carries_too_much(world: World, part: str) -> None:
    run = await idle_run(world)
    argument = LARGE if part == "request" else "small"
    waiting = await begun(update(world, run, "update", argument, stage=ACCEPTED))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    answers = {
        "request": [accept(message), respond(message, "done")],
        "result": [accept(message), respond(message, LARGE)],
        "failure": [accept(message), respond(message, failure=LARGE)],
        "late result": [accept(message)],
    }[part]
    await world.observe_error("answer", answer(world, task, *answers))
    if part == "late result":
        await waiting
        await world.signal(run)
        task = await world.raw.poll_workflow_task()
        await world.observe_error("later", answer(world, task, respond(message, LARGE)))
    else:
        await world.observe_error("told", waiting)
    await world.observe_history("history", run)


CALLS = ["signal", "request cancel", "terminate", "start"]


@scenario()
@pytest.mark.parametrize("call", CALLS)
async def test_who_asks_has_a_long_name(world: World, call: str) -> None:
    run = await idle_run(world)
    calls: dict[str, Call] = {
        "signal": lambda: world.signal(run, identity=LONG),
        "request cancel": lambda: world.request_cancel(run, identity=LONG),
        "terminate": lambda: world.terminate(run, identity=LONG),
        "start": lambda: world.start("another", identity=LONG),
    }
    await world.observe_error("answer", done(calls[call]()))


@scenario()
@pytest.mark.parametrize("call", ["signal", "request cancel", "terminate"])
async def test_links_are_too_many(world: World, call: str) -> None:
    run = await idle_run(world)
    links = [
        Link(
            workflow_event=Link.WorkflowEvent(
                namespace=world.client.namespace, workflow_id=f"w{number}", run_id=run.run_id
            )
        )
        for number in range(11)
    ]
    calls: dict[str, Call] = {
        "signal": lambda: world.signal(run, links=links),
        "request cancel": lambda: world.request_cancel(run, links=links),
        "terminate": lambda: world.terminate(run, links=links),
    }
    await world.observe_error("answer", done(calls[call]()))


@scenario()
@pytest.mark.parametrize("part", ["reason", "details", "cancel reason", "header", "memo"])
async def test_other_parts_are_long(world: World, part: str) -> None:
    run = await idle_run(world)
    header = Header(fields={"large": payloads(LARGE).payloads[0]})
    calls: dict[str, Call] = {
        "reason": lambda: world.terminate(run, "x" * 5000),
        "details": lambda: world.terminate(run, details=payloads(LARGE)),
        "cancel reason": lambda: world.request_cancel(run, reason="x" * 5000),
        "header": lambda: world.signal(run, header=header),
        "memo": lambda: world.start("another", memo=memo(large=LARGE)),
    }
    await world.observe_error("answer", done(calls[part]()))


async def done(call: Coroutine[Any, Any, Any]) -> None:
    """The outcome of a call, without its answer."""
    await call
