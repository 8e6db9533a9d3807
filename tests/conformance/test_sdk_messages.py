"""Signals, queries and updates of workflows that the SDK's own worker runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WithStartWorkflowOperation, WorkflowHandle, WorkflowUpdateStage
from temporalio.common import WorkflowIDConflictPolicy

from tests.conformance import letters, orders
from tests.conformance.scenario import scenario
from tests.conformance.test_sdk_workers import observe_outcome, run_of, start
from tests.conformance.world import World

SIGNALS = "rpc:SignalWorkflowExecution"
QUERIES = "rpc:QueryWorkflow"
UPDATES = "rpc:UpdateWorkflowExecution"


@asynccontextmanager
async def office_worker(world: World, **options: Any) -> AsyncIterator[None]:
    async with world.worker(workflows=letters.WORKFLOWS, activities=[orders.charge], **options):
        yield


async def first_task_done(world: World, handle: WorkflowHandle[Any, Any]) -> None:
    await world.until_event(run_of(handle), EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)


@pytest.mark.parametrize("cache", [0, 10])
@scenario(SIGNALS, clock="virtual")
async def test_sdk_signals_that_come_before_the_worker(world: World, cache: int) -> None:
    office = await start(world, letters.Office.run, "Ada")
    for name in ("letter", "parcel", "letter", "postcard"):
        await office.signal(name, name.upper())
    await office.signal("close")
    async with office_worker(world, max_cached_workflows=cache):
        await observe_outcome(world, office)


@pytest.mark.parametrize("cache", [0, 10])
@scenario(SIGNALS, QUERIES, UPDATES, clock="virtual")
async def test_sdk_messages_one_after_the_other(world: World, cache: int) -> None:
    async with office_worker(world, max_cached_workflows=cache):
        office = await start(world, letters.Office.run, "Ada")
        world.observe("first query", await office.query("log"))
        await office.signal("letter", "one")
        world.observe("second query", await office.query("log"))
        world.observe("stamped", await office.execute_update("stamp", "two", id="two"))
        await world.observe_error("forged", office.execute_update("stamp", "forged", id="no"))
        world.observe("sorted", await office.execute_update("sort", "three", id="three"))
        world.observe("any update", await office.execute_update("weigh", "four", id="four"))
        world.observe("any query", await office.query("weight", "five"))
        world.observe("log", await office.query("log"))
        await office.signal("close")
        await observe_outcome(world, office)
        world.observe("log in the end", await office.query("log"))


@scenario(UPDATES, SIGNALS, clock="virtual")
async def test_sdk_an_update_comes_before_the_worker(world: World) -> None:
    office = await start(world, letters.Office.run, "Ada")
    await office.signal("letter", "one")
    stamping = asyncio.create_task(office.execute_update("stamp", "two", id="two"))
    # No API tells of an update that waits for a worker.
    await asyncio.sleep(0.5)
    await office.signal("letter", "three")
    async with office_worker(world):
        world.observe("stamped", await stamping)
        await office.signal("close")
        await observe_outcome(world, office)


@scenario(UPDATES, clock="virtual")
async def test_sdk_an_update_that_starts_its_workflow(world: World) -> None:
    async def stamp(text: str) -> WorkflowHandle[Any, Any]:
        operation: Any = WithStartWorkflowOperation(
            letters.Office.run,
            "Ada",
            id=world.unique("office"),
            task_queue=world.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        stamped = await world.client.execute_update_with_start_workflow(
            "stamp", text, start_workflow_operation=operation, id=text
        )
        world.observe(text, stamped)
        handle: WorkflowHandle[Any, Any] = await operation.workflow_handle()
        return handle

    async with office_worker(world):
        office = await stamp("first")
        await stamp("second")
        await office.signal("close")
        await observe_outcome(world, office)


@scenario(UPDATES, "rpc:PollWorkflowExecutionUpdate", clock="virtual")
async def test_sdk_a_workflow_closes_before_its_update_is_done(world: World) -> None:
    async with office_worker(world):
        office = await start(world, letters.HastyOffice.run)
        await first_task_done(world, office)
        waiting = await office.start_update(
            "wait", id="wait", wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        world.observe("closing", await office.execute_update("close", id="close"))
        await observe_outcome(world, office)
        await world.observe_error("waiting", waiting.result())


@scenario(SIGNALS, "event:WorkflowExecutionFailed", clock="virtual")
async def test_sdk_a_signal_fails_its_workflow(world: World) -> None:
    async with office_worker(world):
        office = await start(world, letters.HastyOffice.run)
        await first_task_done(world, office)
        await office.signal("refuse")
        await observe_outcome(world, office)


@pytest.mark.parametrize("cache", [0, 10])
@scenario(SIGNALS, clock="virtual")
async def test_sdk_signals_wait_for_their_handler(world: World, cache: int) -> None:
    office = await start(world, letters.LateOffice.run)
    for text in ("one", "two", "last"):
        await office.signal("letter", text)
    async with office_worker(world, max_cached_workflows=cache):
        await observe_outcome(world, office)
        world.observe("log", await office.query("log"))


@pytest.mark.parametrize("cancels", [False, True])
@scenario("command:SignalExternalWorkflowExecution", clock="virtual")
async def test_sdk_a_workflow_signals_others(world: World, cancels: bool) -> None:
    office = await start(world, letters.Office.run, "Ada")
    async with office_worker(world):
        await first_task_done(world, office)
        for name, other in (("known", office.id), ("unknown", "nobody")):
            texts = ["one"] if not cancels else ["one", "two"]
            correspondent = await start(
                world, letters.Correspondent.run, other, texts, cancels, name=name
            )
            await observe_outcome(world, correspondent, name)
        world.observe("log", await office.query("log"))
        await office.signal("close")
        world.observe("result", await office.result())
