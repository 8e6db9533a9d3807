"""Workflows that depend on what is not in their history. Each is its own replay."""

from __future__ import annotations

import itertools
import os
import random
import time
import unittest.mock
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

import freezegun
from temporalio import workflow
from temporalio.exceptions import ActivityError

from tests.histories.gallery.activities import (
    SOON,
    Shipping,
    charge,
    notify,
    reserve,
    ship,
    wait_for_stock,
)
from tests.histories.gallery.bug import Bug

# -- random numbers -------------------------------------------------------------------------------


@workflow.defn(name="Order", sandboxed=False)
class Sampled:
    @workflow.run
    async def run(self) -> None:
        sampled = random.random() < 0.5
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        if sampled:
            await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(ship, "a", start_to_close_timeout=SOON)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Python's shared generator gives the same numbers here every time."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


# -- the clock ------------------------------------------------------------------------------------


@workflow.defn(name="Order", sandboxed=False)
class Dated:
    @workflow.run
    async def run(self) -> None:
        if datetime.now(timezone.utc).year > 2025:
            await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class Timed:
    def __init__(self) -> None:
        self.began = int(time.time())

    @workflow.run
    async def run(self) -> None:
        ticket = f"ticket-{self.began}"
        await workflow.execute_child_workflow(Shipping.run, "a", id=ticket)


@contextmanager
def later() -> Iterator[None]:
    with freezegun.freeze_time("2026-02-03", real_asyncio=True):
        yield


@contextmanager
def on_a_sunday() -> Iterator[None]:
    with freezegun.freeze_time("2024-01-07", real_asyncio=True):
        yield


# -- ids ------------------------------------------------------------------------------------------


def new_id() -> str:
    return f"shipping-{uuid.uuid4()}"


entropy = random.Random(7)


@contextmanager
def known_ids() -> Iterator[None]:
    """UUIDs are random, but the same when the bug is shown once more."""
    with unittest.mock.patch("os.urandom", entropy.randbytes):
        yield


@contextmanager
def first_ids() -> Iterator[None]:
    entropy.seed(7)
    with known_ids():
        yield


@workflow.defn(name="Order", sandboxed=False)
class Identified:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_child_workflow(Shipping.run, "a", id=new_id())


# -- the order of a set ---------------------------------------------------------------------------


class Step(str):
    """Has the same place in a set wherever the page about it is made, unlike other texts."""

    def __hash__(self) -> int:
        return ord(self[0])


@workflow.defn(name="Order", sandboxed=False)
class Unordered:
    def __init__(self) -> None:
        self.steps = {Step("charge"), Step("reserve"), Step("notify")}

    @workflow.run
    async def run(self) -> None:
        for step in self.steps:
            await workflow.execute_activity(step, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class UnorderedElsewhere:
    """The same in a process in which strings have other hashes."""

    @workflow.run
    async def run(self) -> None:
        for step in reversed(list({Step("charge"), Step("reserve"), Step("notify")})):
            await workflow.execute_activity(step, "a", start_to_close_timeout=SOON)


# -- the environment ------------------------------------------------------------------------------


@workflow.defn(name="Order", sandboxed=False)
class Configured:
    @workflow.run
    async def run(self) -> None:
        region = os.environ.get("SHOP_REGION", "eu")
        if region == "us":
            await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)


@contextmanager
def region(name: str) -> Iterator[None]:
    os.environ["SHOP_REGION"] = name
    try:
        yield
    finally:
        del os.environ["SHOP_REGION"]


# -- state outside of the workflow ----------------------------------------------------------------

seen: list[str] = []
numbers = itertools.count(1)


@workflow.defn(name="Order", sandboxed=False)
class Remembering:
    @workflow.run
    async def run(self) -> None:
        if "a" in seen:
            return
        seen.append("a")
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)


@contextmanager
def nothing_seen() -> Iterator[None]:
    seen.clear()
    yield


@contextmanager
def counted_from_one() -> Iterator[None]:
    global numbers
    numbers = itertools.count(1)
    yield


@workflow.defn(name="Order", sandboxed=False)
class Numbered:
    @workflow.run
    async def run(self) -> None:
        number = next(numbers)
        await workflow.execute_child_workflow(Shipping.run, "a", id=f"shipping-{number}")


class Settings:
    express = False


@workflow.defn(name="Order", sandboxed=False)
class Switched:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(reserve, "a", start_to_close_timeout=SOON)
        if Settings.express:
            await workflow.execute_activity(ship, "a", start_to_close_timeout=SOON)
        else:
            await workflow.sleep(3600)


@contextmanager
def express() -> Iterator[None]:
    Settings.express = True
    try:
        yield
    finally:
        Settings.express = False


# -- whether it is a replay -----------------------------------------------------------------------


@workflow.defn(name="Order", sandboxed=False)
class Replaying:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        if not workflow.unsafe.is_replaying():
            await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)


# -- a bug of the SDK's core ----------------------------------------------------------------------


@workflow.defn(name="Order", sandboxed=False)
class TimedOut:
    @workflow.run
    async def run(self) -> None:
        try:
            await workflow.execute_local_activity(
                wait_for_stock, "a", schedule_to_close_timeout=SOON
            )
        except ActivityError:
            await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)


BUGS = (
    Bug(
        "A random number decides",
        Sampled,
        cause="random numbers",
        at="random.random()",
        asked_at="execute_activity(notify",
        then=lambda: seeded(2),
        now=lambda: seeded(1),
    ),
    Bug(
        "The date decides",
        Dated,
        cause="the machine's clock",
        at="datetime.now(timezone.utc).year",
        asked_at="execute_activity(notify",
        now=later,
    ),
    Bug(
        "A moment of the machine's clock becomes an id",
        Timed,
        cause="the machine's clock",
        at="time.time()",
        asked_at="id=ticket",
        now=later,
    ),
    Bug(
        "A random UUID becomes an id",
        Identified,
        cause="a random UUID",
        at="uuid.uuid4()",
        asked_at="id=new_id()",
        then=first_ids,
        now=known_ids,
    ),
    Bug(
        "The order of a set decides",
        Unordered,
        cause="the order of a set",
        at="for step in self.steps",
        asked_at="execute_activity(step",
        recorded_by=UnorderedElsewhere,
    ),
    Bug(
        "The environment decides",
        Configured,
        cause="the environment of the process",
        at='os.environ.get("SHOP_REGION"',
        asked_at="execute_activity(notify",
        now=lambda: region("us"),
    ),
    Bug(
        "A list of the module remembers",
        Remembering,
        cause="state outside of the workflow",
        at='if "a" in seen',
        asked_at="return",
        then=nothing_seen,
    ),
    Bug(
        "A counter of the module numbers",
        Numbered,
        cause="state outside of the workflow",
        at="next(numbers)",
        asked_at='id=f"shipping-{number}"',
        then=counted_from_one,
    ),
    Bug(
        "A setting was switched meanwhile",
        Switched,
        cause="state outside of the workflow",
        at="if Settings.express",
        asked_at="execute_activity(ship",
        now=express,
    ),
    Bug(
        "A replay is treated in another way",
        Replaying,
        cause="whether it is being replayed",
        at="is_replaying()",
        asked_at="is_replaying()",
    ),
    Bug(
        "A local activity has timed out",
        TimedOut,
        cause="a bug of the SDK's core",
        at="execute_local_activity(",
        asked_at="execute_local_activity(",
    ),
)
