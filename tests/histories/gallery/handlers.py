"""Handlers of signals and updates that do something else, or in another order."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.client import WorkflowHandle

from tests.histories.gallery.activities import SOON, charge, notify
from tests.histories.gallery.bug import Bug
from timeskip import Simulation


@workflow.defn(name="Order", sandboxed=False)
class HandledLater:
    def __init__(self) -> None:
        self.approved = False

    @workflow.signal
    async def approve(self) -> None:
        self.approved = True

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.approved)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class HandledAtOnce:
    def __init__(self) -> None:
        self.approved = False

    @workflow.signal
    async def approve(self) -> None:
        await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)
        self.approved = True

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.approved)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class HandledByAnotherName:
    def __init__(self) -> None:
        self.approved = False

    @workflow.signal
    async def approved_by_clerk(self) -> None:
        self.approved = True

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.approved)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)


async def approved(sim: Simulation, handle: WorkflowHandle[Any, Any]) -> None:
    await handle.signal("approve")
    await handle.result()


@workflow.defn(name="Order", sandboxed=False)
class InOrderOfArrival:
    def __init__(self) -> None:
        self.items: list[str] = []

    @workflow.signal
    async def add(self, item: str) -> None:
        self.items.append(item)

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: len(self.items) == 2)
        for item in self.items:
            await workflow.execute_activity(item, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class InOrderOfNames:
    def __init__(self) -> None:
        self.items: list[str] = []

    @workflow.signal
    async def add(self, item: str) -> None:
        self.items.append(item)
        self.items.sort()

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: len(self.items) == 2)
        for item in self.items:
            await workflow.execute_activity(item, "a", start_to_close_timeout=SOON)


async def two_added(sim: Simulation, handle: WorkflowHandle[Any, Any]) -> None:
    for item in ("notify", "charge"):
        await handle.signal("add", item)
    await handle.result()


@workflow.defn(name="Order", sandboxed=False)
class Updated:
    def __init__(self) -> None:
        self.done = False

    @workflow.update
    async def change(self) -> str:
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        self.done = True
        return "changed"

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.done)


@workflow.defn(name="Order", sandboxed=False)
class UpdatedAfterNotice:
    def __init__(self) -> None:
        self.done = False

    @workflow.update
    async def change(self) -> str:
        await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        self.done = True
        return "changed"

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.done)


async def changed(sim: Simulation, handle: WorkflowHandle[Any, Any]) -> None:
    await handle.execute_update("change")
    await handle.result()


BUGS = (
    Bug(
        "A signal's handler was renamed",
        HandledByAnotherName,
        cause="changed code",
        at="approved_by_clerk",
        asked_at="",
        recorded_by=HandledLater,
        drive=approved,
    ),
    Bug(
        "A signal's handler does more",
        HandledAtOnce,
        cause="changed code",
        at="execute_activity(notify",
        asked_at="execute_activity(notify",
        recorded_by=HandledLater,
        drive=approved,
    ),
    Bug(
        "Signals are handled in another order",
        InOrderOfNames,
        cause="changed code",
        at="execute_activity(item",
        asked_at="execute_activity(item",
        recorded_by=InOrderOfArrival,
        drive=two_added,
    ),
    Bug(
        "An update's handler does more",
        UpdatedAfterNotice,
        cause="changed code",
        at="execute_activity(notify",
        asked_at="execute_activity(notify",
        recorded_by=Updated,
        drive=changed,
    ),
)
