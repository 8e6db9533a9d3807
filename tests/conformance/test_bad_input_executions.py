"""Requests about a run that cannot be, or that is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Link, Payload, Payloads, WorkflowExecution
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
    QueryWorkflowRequest,
    RequestCancelWorkflowExecutionRequest,
    ResetStickyTaskQueueRequest,
    SignalWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)

from tests.conformance.refusals import LONG, UNKNOWN_RUN_ID, observe_refusal, with_fields
from tests.conformance.scenario import scenario
from tests.conformance.world import Run, World

LARGE = Payloads(payloads=[Payload(data=b"x" * (2 * 1024 * 1024 + 1))])


class ExecutionRpc(NamedTuple):
    """An RPC about a run: its request, and the fields beyond namespace and execution."""

    method: str
    request: type[Message]
    execution: str
    fields: Mapping[str, Any]


RPCS = {
    "describe": ExecutionRpc(
        "describe_workflow_execution", DescribeWorkflowExecutionRequest, "execution", {}
    ),
    "history": ExecutionRpc(
        "get_workflow_execution_history", GetWorkflowExecutionHistoryRequest, "execution", {}
    ),
    "reverse history": ExecutionRpc(
        "get_workflow_execution_history_reverse",
        GetWorkflowExecutionHistoryReverseRequest,
        "execution",
        {},
    ),
    "query": ExecutionRpc(
        "query_workflow",
        QueryWorkflowRequest,
        "execution",
        {"query": WorkflowQuery(query_type="state")},
    ),
    "reset sticky": ExecutionRpc(
        "reset_sticky_task_queue", ResetStickyTaskQueueRequest, "execution", {}
    ),
    "signal": ExecutionRpc(
        "signal_workflow_execution",
        SignalWorkflowExecutionRequest,
        "workflow_execution",
        {"signal_name": "poke"},
    ),
    "terminate": ExecutionRpc(
        "terminate_workflow_execution",
        TerminateWorkflowExecutionRequest,
        "workflow_execution",
        {},
    ),
    "cancel": ExecutionRpc(
        "request_cancel_workflow_execution",
        RequestCancelWorkflowExecutionRequest,
        "workflow_execution",
        {},
    ),
}

#: Executions, where "order" stands for the workflow that is there.
EXECUTIONS: dict[str, WorkflowExecution | None] = {
    "execution missing": None,
    "workflow id empty": WorkflowExecution(),
    "workflow id empty, run id malformed": WorkflowExecution(run_id="nonsense"),
    "run id malformed": WorkflowExecution(workflow_id="order", run_id="nonsense"),
    "run unknown": WorkflowExecution(workflow_id="order", run_id=UNKNOWN_RUN_ID),
    "workflow unknown": WorkflowExecution(workflow_id="nobody"),
    "workflow and run unknown": WorkflowExecution(workflow_id="nobody", run_id=UNKNOWN_RUN_ID),
    "workflow id too long": WorkflowExecution(workflow_id=LONG),
}

NAMESPACES = {"empty": "", "unknown": "nowhere", "too long": LONG}


async def ask(
    world: World, rpc: ExecutionRpc, execution: WorkflowExecution | None, **fields: Any
) -> Any:
    """Send the request; the name of the workflow is made the scenario's own."""
    named = None
    if execution is not None:
        named = WorkflowExecution(workflow_id=execution.workflow_id, run_id=execution.run_id)
        if named.workflow_id == "order":
            named.workflow_id = world.unique("order")
    good = {"namespace": world.client.namespace, rpc.execution: named, **rpc.fields}
    request = rpc.request(**with_fields(good, fields))
    return await getattr(world.client.workflow_service, rpc.method)(request)


@pytest.mark.parametrize("mistake", EXECUTIONS)
@pytest.mark.parametrize("rpc", RPCS)
@scenario()
async def test_execution_is_refused(world: World, rpc: str, mistake: str) -> None:
    run = await world.start()
    await observe_refusal(world, ask(world, RPCS[rpc], EXECUTIONS[mistake]), run)


@pytest.mark.parametrize("mistake", NAMESPACES)
@pytest.mark.parametrize("rpc", RPCS)
@scenario()
async def test_namespace_is_refused(world: World, rpc: str, mistake: str) -> None:
    run = await world.start()
    asked = ask(world, RPCS[rpc], run.execution, namespace=NAMESPACES[mistake])
    await observe_refusal(world, asked, run)


@pytest.mark.parametrize("rpc", RPCS)
@scenario()
async def test_namespace_is_refused_before_the_execution(world: World, rpc: str) -> None:
    await observe_refusal(world, ask(world, RPCS[rpc], None, namespace="nowhere"))


@pytest.mark.parametrize("with_run_id", [False, True])
@pytest.mark.parametrize("rpc", ["signal", "terminate", "cancel", "reset sticky", "query"])
@scenario()
async def test_closed_run_is_left_alone(world: World, rpc: str, with_run_id: bool) -> None:
    run = await world.start()
    await world.terminate(run)
    named = run if with_run_id else Run(run.workflow_id)
    await observe_refusal(world, ask(world, RPCS[rpc], named.execution), run)


SIGNAL_MISTAKES: dict[str, Mapping[str, Any]] = {
    "name empty": {"signal_name": ""},
    "name too long": {"signal_name": LONG},
    "request id too long": {"request_id": LONG},
    "input too large": {"input": LARGE},
    "link of no kind": {"links": [Link()]},
    "first name, then request id": {"signal_name": "", "request_id": LONG},
    "first request id, then link": {"request_id": LONG, "links": [Link()]},
    "first link, then input": {"links": [Link()], "input": LARGE},
}


@pytest.mark.parametrize("mistake", SIGNAL_MISTAKES)
@scenario()
async def test_signal_is_refused(world: World, mistake: str) -> None:
    run = await world.start()
    asked = ask(world, RPCS["signal"], run.execution, **SIGNAL_MISTAKES[mistake])
    await observe_refusal(world, asked, run)


@scenario()
async def test_signal_input_is_refused_before_the_workflow_is_looked_for(world: World) -> None:
    unknown = WorkflowExecution(workflow_id="nobody")
    await observe_refusal(world, ask(world, RPCS["signal"], unknown, input=LARGE))


QUERY_MISTAKES: dict[str, Mapping[str, Any]] = {
    "query missing": {"query": None},
    "type empty": {"query": WorkflowQuery()},
    "arguments too large": {"query": WorkflowQuery(query_type="state", query_args=LARGE)},
}


@pytest.mark.parametrize("mistake", QUERY_MISTAKES)
@scenario()
async def test_query_is_refused(world: World, mistake: str) -> None:
    run = await world.start()
    asked = ask(world, RPCS["query"], run.execution, **QUERY_MISTAKES[mistake])
    await observe_refusal(world, asked, run)


@pytest.mark.parametrize("rpc", ["terminate", "cancel"])
@scenario()
async def test_links_of_an_ending_are_refused(world: World, rpc: str) -> None:
    run = await world.start()
    await observe_refusal(world, ask(world, RPCS[rpc], run.execution, links=[Link()]), run)


@pytest.mark.parametrize("first", [UNKNOWN_RUN_ID, "nonsense"])
@scenario()
async def test_termination_of_another_chain_is_refused(world: World, first: str) -> None:
    run = await world.start()
    asked = ask(world, RPCS["terminate"], run.execution, first_execution_run_id=first)
    await observe_refusal(world, asked, run)


@scenario()
async def test_cancellation_of_another_chain_is_refused(world: World) -> None:
    run = await world.start()
    asked = ask(world, RPCS["cancel"], run.execution, first_execution_run_id=UNKNOWN_RUN_ID)
    await observe_refusal(world, asked, run)


@scenario()
async def test_termination_says_who_and_why_if_nobody_does(world: World) -> None:
    run = await world.start()
    await ask(world, RPCS["terminate"], run.execution)
    await world.observe_history("history", run)


PAGE_TOKENS = {"garbage": b"garbage", "json": b"{}", "bytes": b"\xff\xff"}


@pytest.mark.parametrize("mistake", PAGE_TOKENS)
@pytest.mark.parametrize("rpc", ["history", "reverse history"])
@scenario()
async def test_page_token_is_refused(world: World, rpc: str, mistake: str) -> None:
    run = await world.start()
    asked = ask(world, RPCS[rpc], run.execution, next_page_token=PAGE_TOKENS[mistake])
    await observe_refusal(world, asked, run)


@pytest.mark.parametrize(
    "whose", ["other workflow", "other run", "unknown run", "unknown workflow"]
)
@pytest.mark.parametrize("rpc", ["history", "reverse history"])
@scenario()
async def test_page_token_of_another_run_is_refused(world: World, rpc: str, whose: str) -> None:
    run = await world.start()
    await world.signal(run)
    other = await world.start("other")
    page = await ask(world, RPCS[rpc], run.execution, maximum_page_size=1)
    execution = {
        "other workflow": WorkflowExecution(workflow_id=other.workflow_id),
        "other run": WorkflowExecution(workflow_id=run.workflow_id, run_id=other.run_id),
        "unknown run": WorkflowExecution(workflow_id=run.workflow_id, run_id=UNKNOWN_RUN_ID),
        "unknown workflow": WorkflowExecution(workflow_id="nobody"),
    }[whose]
    asked = ask(world, RPCS[rpc], execution, next_page_token=page.next_page_token)
    await observe_refusal(world, asked, run, other)


@pytest.mark.parametrize("rpc", ["history", "reverse history"])
@scenario()
async def test_page_size_below_zero_is_the_usual_one(world: World, rpc: str) -> None:
    run = await world.start()
    page = await ask(world, RPCS[rpc], run.execution, maximum_page_size=-5)
    world.observations.add_history("page", page.history)
