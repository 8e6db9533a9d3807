"""Listing and counting runs: what is shown of them, in which order and in which pages."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import WorkflowType
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.filter.v1 import (
    StartTimeFilter,
    StatusFilter,
    WorkflowExecutionFilter,
    WorkflowTypeFilter,
)
from temporalio.api.workflowservice.v1 import (
    ListClosedWorkflowExecutionsRequest,
    ListOpenWorkflowExecutionsRequest,
    ScanWorkflowExecutionsRequest,
)

from tests.conformance.commands import (
    cancel_workflow,
    complete_workflow,
    continue_as_new,
    fail_workflow,
    seconds,
    start_child,
    upsert_search_attributes,
)
from tests.conformance.listings import (
    count_runs,
    list_runs,
    observe_found,
    of_scenario,
    start_shop,
    until_listed,
)
from tests.conformance.payloads import memo, search_attributes
from tests.conformance.scenario import options, scenario
from tests.conformance.world import World

ALWAYS = StartTimeFilter(
    earliest_time=Timestamp(seconds=0), latest_time=Timestamp(seconds=16_000_000_000)
)
NEVER = StartTimeFilter(earliest_time=Timestamp(seconds=0), latest_time=Timestamp(seconds=1))


@scenario("rpc:ListWorkflowExecutions")
async def test_open_and_closed_runs_are_listed(world: World) -> None:
    await start_shop(world)
    world.observe("all", await list_runs(world, of_scenario(world)))


@scenario("rpc:ListWorkflowExecutions")
async def test_a_listed_run_shows_its_memo(world: World) -> None:
    await world.start("noted", memo=memo(colour="green", size=5))
    await until_listed(world, 1)
    world.observe("listed", await list_runs(world, of_scenario(world)))


@scenario("rpc:ListWorkflowExecutions", "command:UpsertWorkflowSearchAttributes")
async def test_a_list_follows_upserts_and_the_end(world: World) -> None:
    run = await world.start(
        "order", search_attributes=search_attributes(ConformanceKeyword=("Keyword", "before"))
    )
    await until_listed(world, 1, "ConformanceKeyword = 'before'")
    await world.raw.run_workflow_task(
        upsert_search_attributes(ConformanceKeyword=("Keyword", "after"))
    )
    await until_listed(world, 1, "ConformanceKeyword = 'after'")
    world.observe("before", (await list_runs(world, of_scenario(world))))
    await world.terminate(run)
    await until_listed(world, 1, "ExecutionStatus = 'Terminated'")
    world.observe("after", (await list_runs(world, of_scenario(world))))


@scenario("rpc:ListWorkflowExecutions")
async def test_children_are_found_by_their_parents(world: World) -> None:
    child, grandchild = world.unique("child"), world.unique("grandchild")
    root = await world.start("root")
    await world.raw.run_workflow_task(start_child(child))
    while (task := await world.raw.poll_workflow_task()).workflow_execution.workflow_id != child:
        await world.raw.complete_workflow_task(task)
    await world.raw.complete_workflow_task(task, start_child(grandchild))
    await until_listed(world, 3)
    world.observe("all", await list_runs(world, of_scenario(world)))
    by_root, by_parent = f"= '{root.workflow_id}'", f"= '{child}'"
    for label, query in {
        "of the root": f"ParentWorkflowId {by_root}",
        "of the child": f"ParentWorkflowId {by_parent}",
        "of the root's run": f"ParentRunId = '{root.run_id}'",
        "of none": "ParentWorkflowId IS NULL",
        "of any run": "ParentRunId IS NOT NULL",
        "below the root": f"RootWorkflowId {by_root}",
        "below the child": f"RootWorkflowId {by_parent}",
        "below the root's run": f"RootRunId = '{root.run_id}' AND RunId != '{root.run_id}'",
    }.items():
        await observe_found(world, query, label)


@scenario("rpc:ListWorkflowExecutions", "rpc:CountWorkflowExecutions")
async def test_runs_that_ended_in_every_way(world: World) -> None:
    await world.start("failed")
    await world.raw.run_workflow_task(fail_workflow())
    await world.start("cancelled")
    await world.raw.run_workflow_task(cancel_workflow())
    await world.start("continued")
    await world.raw.run_workflow_task(continue_as_new())
    await world.raw.run_workflow_task(complete_workflow())
    await world.start("late", workflow_run_timeout=seconds(1))
    await until_listed(world, 1, "ExecutionStatus = 'TimedOut'")
    await until_listed(world, 5, "CloseTime IS NOT NULL")
    for status in ("Failed", "Canceled", "ContinuedAsNew", "Completed", "TimedOut"):
        await observe_found(world, f"ExecutionStatus = '{status}'")
    await observe_found(world, "ExecutionStatus > 'Completed'")
    by_status = await count_runs(world, f"{of_scenario(world)} GROUP BY ExecutionStatus")
    world.observe("by status", by_status)


@scenario("rpc:ListWorkflowExecutions")
async def test_a_run_that_has_not_begun_yet(world: World) -> None:
    await world.start("later", workflow_start_delay=seconds(3600))
    await until_listed(world, 1)
    info = (await list_runs(world, of_scenario(world))).executions[0]
    delay = info.execution_time.ToNanoseconds() - info.start_time.ToNanoseconds()
    world.observe("delay", delay // 1_000_000_000)


@scenario(
    "rpc:ListWorkflowExecutions",
    *options("ListWorkflowExecutionsRequest", "page_size", "next_page_token"),
)
async def test_runs_are_listed_in_pages(world: World) -> None:
    await start_shop(world)
    for size in (1, 2, 3, 5, 6):
        token = b""
        while True:
            page = await list_runs(world, of_scenario(world), page_size=size, next_page_token=token)
            ids = [info.execution.workflow_id for info in page.executions]
            world.observe(f"page of {size}", ids)
            token = page.next_page_token
            if not token:
                break


@scenario(*options("ListWorkflowExecutionsRequest", "page_size"))
async def test_any_page_size_will_do(world: World) -> None:
    await start_shop(world)
    for size in (-1, 0, 1000, 1001, 1_000_000):
        page = await list_runs(world, of_scenario(world), page_size=size)
        world.observe(f"page of {size}", len(page.executions))
        world.observe("token", bool(page.next_page_token))


@scenario(*options("ListWorkflowExecutionsRequest", "next_page_token"))
async def test_page_tokens_that_clients_made_themselves(world: World) -> None:
    await start_shop(world)
    for token in (
        b"{}",
        b"null",
        b'{"CloseTime":"2020-01-01T00:00:00Z","StartTime":"2020-01-01T00:00:00Z","RunID":"x"}',
        b'{"CloseTime":"9999-12-31T23:59:59Z","StartTime":"9999-12-31T23:59:59Z"}',
    ):
        page = await list_runs(world, of_scenario(world), next_page_token=token)
        world.observe(repr(token), [info.execution.workflow_id for info in page.executions])


@scenario("rpc:CountWorkflowExecutions")
async def test_runs_are_counted_by_status(world: World) -> None:
    await start_shop(world)
    own = of_scenario(world)
    world.observe("all", await count_runs(world, own))
    world.observe("by status", await count_runs(world, f"{own} GROUP BY ExecutionStatus"))
    world.observe(
        "some", await count_runs(world, f"{own} and ConformanceInt > 0 group by ExecutionStatus")
    )
    world.observe(
        "none", await count_runs(world, f"{own} and ConformanceInt = 0 group by ExecutionStatus")
    )
    world.observe(
        "by division", await count_runs(world, f"{own} group by TemporalNamespaceDivision")
    )


@scenario("rpc:ListWorkflowExecutions")
async def test_a_list_ignores_grouping(world: World) -> None:
    await start_shop(world)
    page = await list_runs(world, f"{of_scenario(world)} GROUP BY ExecutionStatus")
    world.observe("all", [info.execution.workflow_id for info in page.executions])


@scenario(
    "rpc:ScanWorkflowExecutions",
    *options("ScanWorkflowExecutionsRequest", "namespace", "page_size", "next_page_token", "query"),
)
async def test_runs_are_scanned(world: World) -> None:
    await start_shop(world)
    token = b""
    while True:
        page = await world.client.workflow_service.scan_workflow_executions(
            ScanWorkflowExecutionsRequest(
                namespace=world.client.namespace,
                query=of_scenario(world),
                page_size=2,
                next_page_token=token,
            )
        )
        world.observe("page", page, without=["next_page_token"])
        token = page.next_page_token
        if not token:
            break


@scenario(
    "rpc:ListOpenWorkflowExecutions",
    *options(
        "ListOpenWorkflowExecutionsRequest",
        "namespace",
        "maximum_page_size",
        "next_page_token",
        "start_time_filter",
        "execution_filter",
        "type_filter",
    ),
)
async def test_open_runs_are_listed(world: World) -> None:
    kind = world.unique("Shop")
    for name in ("first", "second", "third"):
        await world.start(name, workflow_type=WorkflowType(name=kind))
    await world.terminate(await world.start("gone", workflow_type=WorkflowType(name=kind)))
    await until_listed(world, 3, "ExecutionStatus = 'Running'")
    await until_listed(world, 1, "ExecutionStatus = 'Terminated'")
    of_kind: dict[str, Any] = {"type_filter": WorkflowTypeFilter(name=kind)}
    filters: dict[str, dict[str, Any]] = {
        "by type": of_kind,
        "by type and time": {**of_kind, "start_time_filter": ALWAYS},
        "at no time": {**of_kind, "start_time_filter": NEVER},
        "by id": {"execution_filter": WorkflowExecutionFilter(workflow_id=world.unique("first"))},
        "by id of another run": {
            "execution_filter": WorkflowExecutionFilter(
                workflow_id=world.unique("first"), run_id="other"
            )
        },
        "by id of a closed run": {
            "execution_filter": WorkflowExecutionFilter(workflow_id=world.unique("gone"))
        },
        "by no type": {"type_filter": WorkflowTypeFilter()},
        "by no id": {"execution_filter": WorkflowExecutionFilter()},
    }
    for label, fields in filters.items():
        request = ListOpenWorkflowExecutionsRequest(namespace=world.client.namespace, **fields)
        world.observe(
            label, await world.client.workflow_service.list_open_workflow_executions(request)
        )
    token = b""
    while True:
        page = await world.client.workflow_service.list_open_workflow_executions(
            ListOpenWorkflowExecutionsRequest(
                namespace=world.client.namespace,
                maximum_page_size=2,
                next_page_token=token,
                **of_kind,
            )
        )
        world.observe("page", [info.execution.workflow_id for info in page.executions])
        token = page.next_page_token
        if not token:
            break


@scenario(
    "rpc:ListClosedWorkflowExecutions",
    *options(
        "ListClosedWorkflowExecutionsRequest",
        "namespace",
        "maximum_page_size",
        "next_page_token",
        "start_time_filter",
        "execution_filter",
        "type_filter",
        "status_filter",
    ),
)
async def test_closed_runs_are_listed(world: World) -> None:
    kind = world.unique("Shop")
    for name in ("first", "second", "third"):
        await world.terminate(await world.start(name, workflow_type=WorkflowType(name=kind)))
    await world.start("open", workflow_type=WorkflowType(name=kind))
    await until_listed(world, 3, "ExecutionStatus = 'Terminated'")
    await until_listed(world, 1, "ExecutionStatus = 'Running'")
    of_kind: dict[str, Any] = {"type_filter": WorkflowTypeFilter(name=kind)}
    terminated = StatusFilter(status=Status.WORKFLOW_EXECUTION_STATUS_TERMINATED)
    filters: dict[str, dict[str, Any]] = {
        "by type": of_kind,
        "by type and time": {**of_kind, "start_time_filter": ALWAYS},
        "at no time": {**of_kind, "start_time_filter": NEVER},
        "by id": {"execution_filter": WorkflowExecutionFilter(workflow_id=world.unique("first"))},
        "by id of an open run": {
            "execution_filter": WorkflowExecutionFilter(workflow_id=world.unique("open"))
        },
        "page": {**of_kind, "maximum_page_size": 2},
    }
    for label, fields in filters.items():
        request = ListClosedWorkflowExecutionsRequest(namespace=world.client.namespace, **fields)
        world.observe(
            label, await world.client.workflow_service.list_closed_workflow_executions(request)
        )
    by_status = ListClosedWorkflowExecutionsRequest(
        namespace=world.client.namespace, status_filter=terminated
    )
    page = await world.client.workflow_service.list_closed_workflow_executions(by_status)
    world.observe(
        "by status",
        [
            info.execution.workflow_id
            for info in page.executions
            if info.task_queue == world.task_queue
        ],
    )


@scenario("rpc:ListWorkflowExecutions", "rpc:CountWorkflowExecutions")
async def test_the_sdk_lists_and_counts(world: World) -> None:
    await start_shop(world)
    own = of_scenario(world)
    async for listed in world.client.list_workflows(own, page_size=2):
        world.observe(
            "run",
            {
                "id": listed.id,
                "type": listed.workflow_type,
                "status": listed.status.name if listed.status else "",
                "history length": listed.history_length,
                "search attributes": {
                    pair.key.name: str(pair.value)
                    for pair in sorted(
                        listed.typed_search_attributes, key=lambda pair: pair.key.name
                    )
                },
            },
        )
    limited = [run.id async for run in world.client.list_workflows(own, page_size=2, limit=3)]
    world.observe("limited", limited)
    counted = await world.client.count_workflows(f"{own} GROUP BY ExecutionStatus")
    world.observe("counted", counted.count)
    world.observe("groups", [[list(group.group_values), group.count] for group in counted.groups])
