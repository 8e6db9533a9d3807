"""Bugs that are not where one would look for them, and what only looks like a bug. Not on the page."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from temporalio import workflow
from temporalio.client import WorkflowHandle

from tests.histories.gallery import chance
from tests.histories.gallery.activities import SOON, Shipping, charge, notify, ship
from tests.histories.gallery.bug import Bug
from timeskip import Simulation

with workflow.unsafe.imports_passed_through():
    import tests.histories.gallery.shop as shop

IMPORTED_AT = time.time_ns()

durations: list[float] = []


@workflow.defn(name="Order")
class Delayed:
    """In the sandbox; the number comes through two functions of a module that is passed through."""

    @workflow.run
    async def run(self) -> None:
        delay = shop.delay_before(attempt=2)
        await workflow.execute_child_workflow(Shipping.run, "a", id=f"after {delay}")


@workflow.defn(name="Order")
class Imported:
    """In the sandbox, which imports this module anew for each run."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_child_workflow(Shipping.run, "a", id=f"since {IMPORTED_AT}")


@workflow.defn(name="Order", sandboxed=False)
class Collecting:
    @workflow.run
    async def run(self) -> None:
        for step in self.steps("charge"):
            await workflow.execute_activity(step, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(ship, "a", start_to_close_timeout=SOON)

    def steps(self, step: str, so_far: list[str] = []) -> list[str]:  # noqa: B006 - that is the bug
        so_far.append(step)
        return list(so_far)


@contextmanager
def nothing_collected() -> Iterator[None]:
    defaults = Collecting.steps.__defaults__
    assert defaults is not None
    defaults[0].clear()
    yield


@workflow.defn(name="Order", sandboxed=False)
class Drawn:
    @workflow.run
    async def run(self) -> None:
        ticket = next(shop.tickets)
        await workflow.execute_child_workflow(Shipping.run, "a", id=ticket)


@workflow.defn(name="Order", sandboxed=False)
class Ticketed:
    @workflow.run
    async def run(self) -> None:
        ticket = shop.Ticket("a")
        await workflow.execute_child_workflow(Shipping.run, "a", id=ticket.id)


@workflow.defn(name="Order", sandboxed=False)
class Stamped:
    """The time that is made up last is no part of the id."""

    @workflow.run
    async def run(self) -> None:
        ticket = shop.StampedTicket("a")
        await workflow.execute_child_workflow(Shipping.run, "a", id=ticket.id)


@workflow.defn(name="Order", sandboxed=False)
class FromFile:
    @workflow.run
    async def run(self) -> None:
        if "notify" in Path(__file__).with_name("__init__.py").read_text() + shop.wishes():
            await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)


@contextmanager
def wishing(wish: str) -> Iterator[None]:
    before, shop.wish = shop.wish, wish
    try:
        yield
    finally:
        shop.wish = before


@workflow.defn(name="Order", sandboxed=False)
class Measured:
    """Looks at the clock, which decides nothing."""

    @workflow.run
    async def run(self) -> None:
        began = time.perf_counter()
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        durations.append(time.perf_counter() - began)
        await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class MeasuredAndShipped:
    @workflow.run
    async def run(self) -> None:
        began = time.perf_counter()
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        durations.append(time.perf_counter() - began)
        await workflow.execute_activity(ship, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class CalledByChance:
    @workflow.run
    async def run(self) -> None:
        await shop.do(charge)
        if shop.delay_before(attempt=0) > shop.patience:
            await self.tell()
        await shop.do(ship)

    async def tell(self) -> None:
        await shop.do(notify)


@workflow.defn(name="Order", sandboxed=False)
class Generated:
    @workflow.run
    async def run(self) -> None:
        for step in self.steps():
            await shop.do(charge, step)
        await shop.do(ship)

    def steps(self) -> Iterator[str]:
        count = 2 if os.environ.get("SHOP_REGION") == "us" else 3
        for number in range(count):
            yield f"part {number}"


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    before, shop.patience = shop.patience, seconds
    try:
        yield
    finally:
        shop.patience = before


def once(function: Any) -> Any:
    """A decorator that remembers."""
    calls: list[None] = []

    @functools.wraps(function)
    async def wrapper() -> None:
        calls.append(None)
        if len(calls) > 1:
            return
        await function()

    wrapper.forget = calls.clear  # type: ignore[attr-defined]
    return wrapper


@once
async def welcome() -> None:
    await shop.do(notify)


@contextmanager
def nobody_welcomed() -> Iterator[None]:
    welcome.forget()
    yield


@workflow.defn(name="Order", sandboxed=False)
class Welcoming:
    @workflow.run
    async def run(self) -> None:
        await welcome()
        await shop.do(charge)


@contextmanager
def started_in(region: str) -> Iterator[None]:
    before, shop.region_of_process = shop.region_of_process, region
    try:
        yield
    finally:
        shop.region_of_process = before


@workflow.defn(name="Order", sandboxed=False)
class OfRegion:
    @workflow.run
    async def run(self) -> None:
        if shop.region_of_process == "us":
            await shop.do(notify)
        await shop.do(charge)


@contextmanager
def time_zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


@workflow.defn(name="Order", sandboxed=False)
class InTheMorning:
    @workflow.run
    async def run(self) -> None:
        hour = datetime.fromtimestamp(0).hour  # noqa: DTZ006 - that is the bug
        await shop.do(notify if hour < 12 else charge)


@workflow.defn(name="Order", sandboxed=False)
class Asked:
    def __init__(self) -> None:
        self.wishes = ["tea", "cups"]
        self.is_ready = False

    @workflow.query
    def next_wish(self) -> str:
        return self.taken()

    def taken(self) -> str:
        return self.wishes.pop()

    @workflow.signal
    def go_on(self) -> None:
        self.is_ready = True

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.is_ready)
        for wish in self.wishes:
            await shop.do(charge, wish)


async def asked_once(sim: Simulation, handle: WorkflowHandle[Any, Any]) -> None:
    await handle.query("next_wish")
    await handle.signal("go_on")
    await handle.result()


@workflow.defn(name="Order", sandboxed=False)
class Crowded:
    """Leaves its id behind in a replay that breaks off, and then does right."""

    @workflow.run
    async def run(self) -> None:
        shop.open_orders.append("a")
        if len(shop.open_orders) > 1:
            await shop.do(notify)
        await shop.do(charge)
        shop.open_orders.remove("a")


@contextmanager
def open_orders(*orders: str) -> Iterator[None]:
    shop.open_orders[:] = orders
    yield


BUGS = (
    Bug(
        "A module has remembered the environment",
        OfRegion,
        cause="the environment of the process",
        at="region_of_process = os.environ.get(",
        asked_at="do(notify)",
        then=lambda: started_in("eu"),
        now=lambda: started_in("us"),
    ),
    Bug(
        "A time is in another zone",
        InTheMorning,
        cause="the time zone of the machine",
        at="datetime.fromtimestamp(0)",
        asked_at="execute_activity(",
        then=lambda: time_zone("UTC-20"),
        now=lambda: time_zone("UTC"),
    ),
    Bug(
        "A query takes something away",
        Asked,
        cause="a query or a validator",
        at="self.wishes.pop()",
        asked_at="do(charge, wish)",
        drive=asked_once,
    ),
    Bug(
        "A replay that breaks off makes the next one right",
        Crowded,
        cause="state outside of the workflow",
        at="len(shop.open_orders) > 1",
        asked_at="",
        then=lambda: open_orders("b"),
        now=open_orders,
    ),
    Bug(
        "A helper is called by chance",
        CalledByChance,
        cause="random numbers",
        at="random.uniform(",
        asked_at="do(ship)",
        then=lambda: patience(0),
        now=lambda: patience(10),
    ),
    Bug(
        "A generator gives fewer",
        Generated,
        cause="the environment of the process",
        at='os.environ.get("SHOP_REGION")',
        asked_at="do(ship)",
        now=lambda: chance.region("us"),
    ),
    Bug(
        "A decorator remembers",
        Welcoming,
        cause="state outside of the workflow",
        at="len(calls) > 1",
        asked_at="do(charge)",
        then=nobody_welcomed,
    ),
    Bug(
        "A number comes from afar",
        Delayed,
        cause="random numbers",
        at="random.uniform(",
        asked_at="execute_child_workflow(",
    ),
    Bug(
        "A module is imported at another time",
        Imported,
        cause="state outside of the workflow",
        at="{IMPORTED_AT}",
        asked_at="{IMPORTED_AT}",
    ),
    Bug(
        "A default is changed",
        Collecting,
        cause="state outside of the workflow",
        at="so_far",
        asked_at="execute_activity(step",
        then=nothing_collected,
    ),
    Bug(
        "An iterator is used up",
        Drawn,
        cause="state outside of the workflow",
        at="next(shop.tickets)",
        asked_at="id=ticket",
    ),
    Bug(
        "A field is made up",
        Ticketed,
        cause="a random UUID",
        at="uuid.uuid4()",
        asked_at="id=ticket.id",
    ),
    Bug(
        "A field is made up, and another one after it",
        Stamped,
        cause="a random UUID",
        at="uuid.uuid4()",
        asked_at="id=ticket.id",
    ),
    Bug(
        "A file is read, and more",
        FromFile,
        cause="files of the machine",
        at="read_text()",
        asked_at="execute_activity(notify",
        now=lambda: wishing("notify me"),
    ),
    Bug(
        "A clock that decides nothing is not to blame",
        MeasuredAndShipped,
        cause="changed code",
        at="execute_activity(ship",
        asked_at="execute_activity(ship",
        recorded_by=Measured,
    ),
)
