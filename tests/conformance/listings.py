"""Runs to be found by list filters, and what servers find."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    CountWorkflowExecutionsResponse,
    ListWorkflowExecutionsRequest,
    ListWorkflowExecutionsResponse,
)

from tests.conformance.commands import complete_workflow
from tests.conformance.payloads import search_attributes
from tests.conformance.world import Run, World


async def list_runs(world: World, query: str, **fields: Any) -> ListWorkflowExecutionsResponse:
    """List the runs that a filter finds."""
    return await world.client.workflow_service.list_workflow_executions(
        ListWorkflowExecutionsRequest(namespace=world.client.namespace, query=query, **fields)
    )


async def count_runs(world: World, query: str) -> CountWorkflowExecutionsResponse:
    """Count the runs that a filter finds."""
    return await world.client.workflow_service.count_workflow_executions(
        CountWorkflowExecutionsRequest(namespace=world.client.namespace, query=query)
    )


def of_scenario(world: World, query: str = "") -> str:
    """A filter that finds only what the scenario itself started on its task queue."""
    own = f"TaskQueue = '{world.task_queue}'"
    return f"{own} AND ({query})" if query else own


async def until_listed(world: World, count: int, query: str = "") -> None:
    """Wait until so many of the scenario's runs meet the filter: the real server lists late."""
    while (await count_runs(world, of_scenario(world, query))).count != count:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def start_shop(world: World) -> dict[str, Run]:
    """Start five runs with search attributes of every type, and close two of them.

    They are `books` and `tea`, which go on; `empty`, which has no search attributes; `sold`, which
    completed, and `lost`, which was terminated after that.
    """
    runs = {}
    runs["sold"] = await world.start("sold")
    await world.raw.run_workflow_task(complete_workflow("sold"))
    runs["lost"] = await world.start(
        "lost", search_attributes=search_attributes(ConformanceInt=("Int", -5))
    )
    await world.terminate(runs["lost"])
    runs["books"] = await world.start(
        "books",
        search_attributes=search_attributes(
            ConformanceKeyword=("Keyword", "k1"),
            ConformanceInt=("Int", 5),
            ConformanceText=("Text", "Hello big world"),
            ConformanceBool=("Bool", True),
            ConformanceDouble=("Double", 1.5),
            ConformanceDatetime=("Datetime", "2020-01-01T12:00:00Z"),
            ConformanceList=("KeywordList", ["a", "b"]),
            BuildIds=("KeywordList", ["a", "b"]),
        ),
    )
    runs["tea"] = await world.start(
        "tea",
        search_attributes=search_attributes(
            ConformanceKeyword=("Keyword", "k2"),
            ConformanceInt=("Int", 7),
            ConformanceText=("Text", "big_deal world-wide"),
            ConformanceBool=("Bool", False),
            ConformanceDouble=("Double", -2.25),
            ConformanceDatetime=("Datetime", "2021-06-01T00:00:00+02:00"),
            ConformanceList=("KeywordList", ["b"]),
        ),
    )
    runs["empty"] = await world.start("empty")
    await until_listed(world, 5)
    await until_listed(world, 2, "CloseTime IS NOT NULL")
    return runs


async def observe_found(world: World, query: str, label: str = "") -> None:
    """Note which of the scenario's runs a filter finds, and how many.

    The label is the filter itself unless that holds run ids, which no two servers share.
    """
    own = of_scenario(world, query)
    page = await list_runs(world, own)
    label = label or query.replace(world.suffix, "")
    world.observe(label, [info.execution.workflow_id for info in page.executions])
    world.observe(f"number of {label}", (await count_runs(world, own)).count)
