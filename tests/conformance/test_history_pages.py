"""Reading a history: pages, waiting for more, the close event, backwards."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import HistoryEventFilterType
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
    GetWorkflowExecutionHistoryReverseRequest,
    GetWorkflowExecutionHistoryReverseResponse,
)

from tests.conformance.commands import complete_workflow, fail_workflow, seconds, start_timer
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World

CLOSE_EVENT = HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT


async def get_history(
    world: World, run: Run, *, wait: float = 20, **fields: Any
) -> GetWorkflowExecutionHistoryResponse:
    """One page of a history, waited for at most this many seconds."""
    return await world.client.workflow_service.get_workflow_execution_history(
        GetWorkflowExecutionHistoryRequest(
            namespace=world.client.namespace, execution=run.execution, **fields
        ),
        timeout=timedelta(seconds=wait),
    )


async def get_history_reverse(
    world: World, run: Run, **fields: Any
) -> GetWorkflowExecutionHistoryReverseResponse:
    """One page of a history read backwards."""
    return await world.client.workflow_service.get_workflow_execution_history_reverse(
        GetWorkflowExecutionHistoryReverseRequest(
            namespace=world.client.namespace, execution=run.execution, **fields
        )
    )


def observe_page(
    world: World,
    label: str,
    page: GetWorkflowExecutionHistoryResponse | GetWorkflowExecutionHistoryReverseResponse,
) -> None:
    """Note which events a page holds and whether another one follows."""
    world.observe(label, [event.event_id for event in page.history.events])
    world.observe(f"{label}: has a token", bool(page.next_page_token))


async def completed_run(world: World) -> Run:
    run = await world.start()
    await world.raw.run_workflow_task(*(start_timer(str(n), 100) for n in range(5)))
    await world.signal(run)
    await world.raw.run_workflow_task(complete_workflow("done"))
    return run


@scenario(
    "rpc:GetWorkflowExecutionHistory",
    "option:GetWorkflowExecutionHistoryRequest.maximum_page_size",
    "option:GetWorkflowExecutionHistoryRequest.next_page_token",
    *options("GetWorkflowExecutionHistoryRequest", "namespace", "execution"),
)
async def test_a_history_is_read_in_pages(world: World) -> None:
    run = await completed_run(world)
    page = await get_history(world, run)
    observe_page(world, "one page", page)
    token = b""
    seen = 0
    while True:
        page = await get_history(world, run, maximum_page_size=4, next_page_token=token)
        seen += len(page.history.events)
        token = page.next_page_token
        if not token:
            break
    world.observe("events in small pages", seen)


@scenario(
    "rpc:GetWorkflowExecutionHistory",
    "option:GetWorkflowExecutionHistoryRequest.history_event_filter_type",
)
async def test_only_the_close_event_is_read(world: World) -> None:
    run = await completed_run(world)
    page = await get_history(world, run, history_event_filter_type=CLOSE_EVENT)
    observe_page(world, "closed", page)
    page = await get_history(world, run, history_event_filter_type=CLOSE_EVENT, wait_new_event=True)
    observe_page(world, "closed, waiting", page)
    still_open = await world.start("open")
    page = await get_history(world, still_open, history_event_filter_type=CLOSE_EVENT)
    observe_page(world, "open", page)
    await world.raw.run_workflow_task(start_timer("t", 100))
    page = await get_history(world, still_open, history_event_filter_type=CLOSE_EVENT)
    observe_page(world, "open, after a task", page)


@scenario(
    "rpc:GetWorkflowExecutionHistory", "option:GetWorkflowExecutionHistoryRequest.wait_new_event"
)
async def test_a_client_waits_for_the_close_event(world: World) -> None:
    run = await world.start()
    waiting = asyncio.create_task(
        get_history(world, run, history_event_filter_type=CLOSE_EVENT, wait_new_event=True)
    )
    await world.raw.run_workflow_task(start_timer("t", 100))
    await world.signal(run)
    await world.raw.run_workflow_task(complete_workflow("done"))
    observe_page(world, "the page", await waiting)


@scenario(
    "rpc:GetWorkflowExecutionHistory", "option:GetWorkflowExecutionHistoryRequest.wait_new_event"
)
async def test_a_client_follows_a_history(world: World) -> None:
    run = await world.start()
    page = await get_history(world, run, wait_new_event=True)
    observe_page(world, "started", page)
    waiting = asyncio.create_task(
        get_history(world, run, wait_new_event=True, next_page_token=page.next_page_token)
    )
    task = await world.raw.poll_workflow_task()
    page = await waiting
    observe_page(world, "task started", page)
    waiting = asyncio.create_task(
        get_history(world, run, wait_new_event=True, next_page_token=page.next_page_token)
    )
    await world.raw.complete_workflow_task(task, complete_workflow("done"))
    page = await waiting
    observe_page(world, "completed", page)
    page = await get_history(world, run, wait_new_event=True)
    observe_page(world, "from the beginning after close", page)


@scenario("option:GetWorkflowExecutionHistoryRequest.wait_new_event")
async def test_a_client_waits_in_vain(world: World) -> None:
    run = await world.start()
    page = await get_history(world, run, wait_new_event=True)
    await world.observe_error(
        "no event within two seconds",
        get_history(world, run, wait=2, wait_new_event=True, next_page_token=page.next_page_token),
    )


@scenario("rpc:GetWorkflowExecutionHistory")
async def test_a_client_that_waits_learns_of_the_next_run(world: World) -> None:
    run = await world.start(
        retry_policy=RetryPolicy(initial_interval=seconds(100), maximum_attempts=2)
    )
    waiting = asyncio.create_task(
        get_history(world, run, history_event_filter_type=CLOSE_EVENT, wait_new_event=True)
    )
    await world.raw.run_workflow_task(fail_workflow())
    page = await waiting
    world.observations.add_history("page", page.history)
    world.observe("has a token", bool(page.next_page_token))
    page = await get_history(world, run, history_event_filter_type=CLOSE_EVENT)
    world.observations.add_history("without waiting", page.history)
    page = await get_history(world, run, wait_new_event=True)
    world.observations.add_history("all events, waiting", page.history)


@scenario("rpc:GetWorkflowExecutionHistory")
async def test_a_client_that_waits_learns_of_the_run_after_a_timeout(world: World) -> None:
    run = await world.start(
        workflow_run_timeout=seconds(1),
        retry_policy=RetryPolicy(initial_interval=seconds(100), maximum_attempts=2),
    )
    page = await get_history(world, run, history_event_filter_type=CLOSE_EVENT, wait_new_event=True)
    world.observations.add_history("page", page.history)


@scenario(
    "rpc:GetWorkflowExecutionHistoryReverse",
    "option:GetWorkflowExecutionHistoryReverseRequest.maximum_page_size",
    *options(
        "GetWorkflowExecutionHistoryReverseRequest", "namespace", "execution", "next_page_token"
    ),
)
async def test_a_history_is_read_backwards(world: World) -> None:
    run = await completed_run(world)
    page = await get_history_reverse(world, run)
    world.observe("order", [event.event_id for event in page.history.events])
    token = b""
    order = []
    while True:
        page = await get_history_reverse(world, run, maximum_page_size=4, next_page_token=token)
        order += [event.event_id for event in page.history.events]
        token = page.next_page_token
        if not token:
            break
    world.observe("order in small pages", order)
    still_open = await world.start("open")
    task = await world.raw.poll_workflow_task()
    page = await get_history_reverse(world, still_open)
    world.observe("open run", [event.event_id for event in page.history.events])
    await world.raw.fail_workflow_task(task)
    page = await get_history_reverse(world, still_open)
    world.observe("transient task", [event.event_id for event in page.history.events])


@scenario("rpc:GetWorkflowExecutionHistory", "rpc:GetWorkflowExecutionHistoryReverse")
async def test_a_history_that_does_not_exist(world: World) -> None:
    for name, run in [
        ("workflow", Run("unknown")),
        ("run", Run("unknown", "00000000-0000-4000-8000-000000000000")),
    ]:
        await world.observe_error(f"{name}: forwards", get_history(world, run))
        await world.observe_error(f"{name}: backwards", get_history_reverse(world, run))
