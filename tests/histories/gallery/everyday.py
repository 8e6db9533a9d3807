"""Bugs behind helpers, in other modules, in handlers that no replay runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from temporalio import workflow
from temporalio.client import WorkflowHandle

from tests.histories.gallery import chance, shop
from tests.histories.gallery.activities import Shipping, charge, notify, reserve, ship
from tests.histories.gallery.bug import Bug
from tests.histories.gallery.shop import do
from timeskip import Simulation

# -- what is not in the workflow's own lines ------------------------------------------------------


@workflow.defn(name="Order", sandboxed=False)
class Packed:
    @workflow.run
    async def run(self) -> None:
        parcel = shop.Parcel("a")
        await workflow.execute_child_workflow(Shipping.run, "a", id=f"{parcel.packed:%Y-%m-%d}")


@workflow.defn(name="Order", sandboxed=False)
class OnWorkdays:
    @workflow.run
    async def run(self) -> None:
        if time.strftime("%a") in ("Sat", "Sun"):
            await workflow.sleep(3600)
        await do(ship)


@workflow.defn(name="Order", sandboxed=False)
class Flagged:
    @workflow.run
    async def run(self) -> None:
        if shop.is_express():
            await do(ship)
        else:
            await workflow.sleep(3600)


@contextmanager
def flag(value: bool) -> Iterator[None]:
    before, shop.flags["express"] = shop.flags["express"], value
    try:
        yield
    finally:
        shop.flags["express"] = before


@workflow.defn(name="Order", sandboxed=False)
class Regional:
    @workflow.run
    async def run(self) -> None:
        if shop.region() == "us":
            await do(notify)
        await do(charge)


@contextmanager
def first_asked_in(name: str) -> Iterator[None]:
    """The region is remembered as the one of a process that was started there."""
    shop.region.cache_clear()
    with chance.region(name):
        shop.region()
    try:
        yield
    finally:
        shop.region.cache_clear()


@workflow.defn(name="Order", sandboxed=False)
class QuietInReplays:
    @workflow.run
    async def run(self) -> None:
        await self.tell()
        await do(charge)

    async def tell(self) -> None:
        if workflow.unsafe.is_replaying():
            return
        await do(notify)


# -- what no replay runs --------------------------------------------------------------------------


@workflow.defn(name="Order", sandboxed=False)
class CountsQuestions:
    def __init__(self) -> None:
        self.asked = 0
        self.done = False

    @workflow.query
    def status(self) -> str:
        self.asked += 1
        return "open"

    @workflow.signal
    def finish(self) -> None:
        self.done = True

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.done)
        if self.asked:
            await do(notify)
        await do(charge)


async def asked_and_finished(sim: Simulation, handle: WorkflowHandle[Any, Any]) -> None:
    await handle.query("status")
    await handle.signal("finish")
    await handle.result()


@workflow.defn(name="Order", sandboxed=False)
class CountsChecks:
    def __init__(self) -> None:
        self.checked = 0
        self.item = ""

    @workflow.update
    def choose(self, item: str) -> None:
        self.item = item

    @choose.validator
    def check(self, item: str) -> None:
        self.checked += 1

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.item != "")
        if self.checked == 0:
            return
        await do(charge)


async def chosen(sim: Simulation, handle: WorkflowHandle[Any, Any]) -> None:
    await handle.execute_update("choose", "tea", id="choice")
    await handle.result()


# -- changed code behind a helper -----------------------------------------------------------------


@workflow.defn(name="Order", sandboxed=False)
class EachNotified:
    @workflow.run
    async def run(self) -> None:
        for item in ("tea", "cups"):
            await do(charge, item)
            if workflow.patched("notify each"):
                await do(notify, item)


@workflow.defn(name="Order", sandboxed=False)
class EachReservedAndNotified:
    @workflow.run
    async def run(self) -> None:
        for item in ("tea", "cups"):
            await do(charge, item)
            if workflow.patched("notify each"):
                await do(reserve, item)
                await do(notify, item)


BUGS = (
    Bug(
        "A default of a dataclass is the time",
        Packed,
        cause="the machine's clock",
        at="datetime.now(timezone.utc)",
        asked_at="id=f",
        now=chance.later,
    ),
    Bug(
        "The day of the week decides",
        OnWorkdays,
        cause="the machine's clock",
        at='time.strftime("%a")',
        asked_at="do(ship)",
        then=chance.on_a_sunday,
        now=chance.later,
    ),
    Bug(
        "A flag in another module was switched",
        Flagged,
        cause="state outside of the workflow",
        at='flags.get("express"',
        asked_at="do(ship)",
        now=lambda: flag(True),
    ),
    Bug(
        "A setting is remembered by each process",
        Regional,
        cause="the environment of the process",
        at='os.environ.get("SHOP_REGION"',
        asked_at="do(notify)",
        then=lambda: first_asked_in("eu"),
        now=lambda: first_asked_in("us"),
    ),
    Bug(
        "A helper does nothing in a replay",
        QuietInReplays,
        cause="whether it is being replayed",
        at="is_replaying()",
        asked_at="do(charge)",
    ),
    Bug(
        "A query counts how often it is asked",
        CountsQuestions,
        cause="a query or a validator",
        at="self.asked += 1",
        asked_at="do(charge)",
        drive=asked_and_finished,
    ),
    Bug(
        "A validator counts what it has checked",
        CountsChecks,
        cause="a query or a validator",
        at="self.checked += 1",
        asked_at="return",
        drive=chosen,
    ),
    Bug(
        "A patch in a loop stands for two changes",
        EachReservedAndNotified,
        cause="patch",
        at="do(reserve, item)",
        asked_at="do(reserve, item)",
        recorded_by=EachNotified,
    ),
)
