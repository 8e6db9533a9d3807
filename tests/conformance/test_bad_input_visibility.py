"""List filters, page tokens and old-style filters that are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.filter.v1 import StartTimeFilter, StatusFilter
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    ListClosedWorkflowExecutionsRequest,
    ListOpenWorkflowExecutionsRequest,
    ListWorkflowExecutionsRequest,
    ScanWorkflowExecutionsRequest,
)
from temporalio.service import RPCError

from tests.conformance.listings import count_runs, list_runs
from tests.conformance.scenario import scenario
from tests.conformance.world import World

BAD_FILTERS = [
    # Names.
    "Nobody = 'x'",
    "workflowid = 'x'",
    "NamespaceId = 'x'",
    "VisibilityTimestamp > 1",
    "Custom.WorkflowId = 'x'",
    "a.b.c = 'x'",
    # Values of another type.
    "WorkflowId = 5",
    "WorkflowId = true",
    "WorkflowId = NULL",
    "WorkflowId = other",
    "WorkflowId = WorkflowType",
    "WorkflowId = half-quoted",
    "WorkflowId = lower('x')",
    "WorkflowId = 5 + 5",
    "WorkflowId = case when 1 then 2 end",
    "WorkflowId = :value",
    "WorkflowId = ?",
    "WorkflowId = -'x'",
    "WorkflowId IN ('x', 5)",
    "WorkflowId IN (select 1 from x)",
    "WorkflowId = ('a', 'b')",
    "WorkflowId STARTS_WITH 5",
    "ConformanceKeyword = 1.5",
    "ConformanceInt = '5'",
    "ConformanceInt = 'x'",
    "ConformanceInt = true",
    "ConformanceInt = 0x10",
    "ConformanceDouble = '1.5'",
    "ConformanceBool = 'true'",
    "ConformanceBool = 1",
    "ConformanceText = 5",
    "ConformanceText = true",
    "ConformanceText = ' '",
    "ConformanceList = 5",
    "ConformanceDatetime = 'yesterday'",
    "StartTime > '2020-01-01'",
    "StartTime > '2020-01-01 00:00:00'",
    "StartTime > '1577836800000000000'",
    "StartTime > 1.5",
    "StartTime > now()",
    "StartTime = true",
    "ExecutionStatus = 'running'",
    "ExecutionStatus = '1'",
    "ExecutionStatus = 99",
    "ExecutionStatus = 1.5",
    "ExecutionStatus = true",
    "ExecutionStatus STARTS_WITH 'Run'",
    "ExecutionStatus STARTS_WITH 'Running'",
    "ExecutionStatus NOT STARTS_WITH 2",
    "ExecutionDuration > 'x'",
    "ExecutionDuration > 1.5",
    # Operators that a type does not have.
    "WorkflowId LIKE 'x%'",
    "WorkflowId NOT LIKE 'x%'",
    "WorkflowId REGEXP 'x'",
    "WorkflowId <=> 'x'",
    "WorkflowId IS TRUE",
    "WorkflowId IS NOT TRUE",
    "ConformanceInt STARTS_WITH 5",
    "StartTime STARTS_WITH '2020-01-01T00:00:00Z'",
    "StartTime STARTS_WITH '2020'",
    "ConformanceText STARTS_WITH 'x'",
    "ConformanceText NOT STARTS_WITH 'x'",
    "ConformanceText IN ('x')",
    "ConformanceText NOT IN ('x')",
    "ConformanceText > 'x'",
    "ConformanceText BETWEEN 'a' AND 'b'",
    "ConformanceList > 'a'",
    "ConformanceList STARTS_WITH 'a'",
    "ConformanceList BETWEEN 'a' AND 'b'",
    "ConformanceBool BETWEEN true AND false",
    "ConformanceBool STARTS_WITH true",
    # What is not a condition.
    "WorkflowId",
    "5",
    "'x'",
    "true",
    "1 = 1",
    "'x' = WorkflowId",
    "lower(WorkflowId)",
    "lower(WorkflowId) = 'x'",
    "exists (select 1)",
    # Clauses.
    "ORDER BY StartTime",
    "order by CloseTime desc",
    "WorkflowId = 'x' ORDER BY StartTime, CloseTime",
    "ORDER BY Nobody",
    "ORDER BY ConformanceText",
    "WorkflowId = 'x' LIMIT 5",
    "LIMIT 5",
    "GROUP BY WorkflowType",
    "GROUP BY Nobody",
    "GROUP BY ExecutionStatus, WorkflowType",
    # Syntax.
    "and",
    "=",
    "(",
    "WorkflowId = 'x' and",
    "WorkflowId = 'x",
    "WorkflowId = 'x' WorkflowId = 'y'",
    "((WorkflowId = 'x')",
    "WorkflowId = 'x')",
    "WorkflowId == 'x'",
    "WorkflowId IN ()",
    "WorkflowId IN 'x'",
    "WorkflowId STARTS_WITH",
    "WorkflowId BETWEEN 'a'",
    "WorkflowId = 'x'; drop table executions",
    "WorkflowId = 'x' 'y'",
    "WorkflowId = 'x' AND OR WorkflowId = 'y'",
    "ConformanceInt IN (1,)",
    "ConformanceBool IS unknown",
    "GROUP BY",
]

#: The tokens are refused with a number that stands for the reason, so only the code is compared.
BAD_TOKENS = [b"x", b"5", b"[]", b'{"CloseTime":5}', b'{"CloseTime":"x"}', b'{"RunID":1}']


@pytest.mark.parametrize("query", BAD_FILTERS)
@scenario("rpc:ListWorkflowExecutions", "rpc:CountWorkflowExecutions")
async def test_a_list_filter_is_refused(world: World, query: str) -> None:
    await world.observe_error("list", list_runs(world, query))
    await world.observe_error("count", count_runs(world, query))


@pytest.mark.parametrize("token", BAD_TOKENS)
@scenario("rpc:ListWorkflowExecutions")
async def test_a_page_token_is_refused(world: World, token: bytes) -> None:
    try:
        await list_runs(world, "", next_page_token=token)
    except RPCError as error:
        words, _, number = str(error).partition("(")
        world.observe("status", error.status.name)
        world.observe("words", words)
        world.observe("digits", len(number))


@pytest.mark.parametrize("namespace", ["", "nowhere"])
@scenario()
async def test_a_namespace_is_not_there_to_be_listed(world: World, namespace: str) -> None:
    service = world.client.workflow_service
    for label, call in {
        "list": service.list_workflow_executions(
            ListWorkflowExecutionsRequest(namespace=namespace)
        ),
        "scan": service.scan_workflow_executions(
            ScanWorkflowExecutionsRequest(namespace=namespace)
        ),
        "count": service.count_workflow_executions(
            CountWorkflowExecutionsRequest(namespace=namespace)
        ),
        "open": service.list_open_workflow_executions(
            ListOpenWorkflowExecutionsRequest(namespace=namespace)
        ),
        "closed": service.list_closed_workflow_executions(
            ListClosedWorkflowExecutionsRequest(namespace=namespace)
        ),
    }.items():
        await world.observe_error(label, call)


CLOSED_MISTAKES: dict[str, Mapping[str, Any]] = {
    "from the end to the beginning": {
        "start_time_filter": StartTimeFilter(
            earliest_time=Timestamp(seconds=10), latest_time=Timestamp(seconds=5)
        )
    },
    "running": {"status_filter": StatusFilter(status=Status.WORKFLOW_EXECUTION_STATUS_RUNNING)},
    "no status": {"status_filter": StatusFilter()},
}


@pytest.mark.parametrize("mistake", CLOSED_MISTAKES)
@scenario("rpc:ListClosedWorkflowExecutions")
async def test_a_list_of_closed_runs_is_refused(world: World, mistake: str) -> None:
    request = ListClosedWorkflowExecutionsRequest(
        namespace=world.client.namespace, **CLOSED_MISTAKES[mistake]
    )
    await world.observe_error(
        "answer", world.client.workflow_service.list_closed_workflow_executions(request)
    )
