"""What is free to change, and what only looks suspicious."""

from __future__ import annotations

import asyncio
import os
import random
import time
from datetime import datetime, timezone
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHandle
from temporalio.common import RetryPolicy

from tests.histories.gallery.activities import SOON, charge, notify, reserve, ship
from tests.histories.gallery.bug import Bug
from tests.histories.gallery.shop import do
from timeskip import Simulation
from timeskip.histories import explain

pytestmark = pytest.mark.asyncio


@workflow.defn(name="Order", sandboxed=False)
class Charged:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(60)
        await do(charge)


@workflow.defn(name="Order", sandboxed=False)
class RetriedElsewhere:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(60)
        await workflow.execute_activity(
            charge,
            "a",
            task_queue="elsewhere",
            start_to_close_timeout=2 * SOON,
            retry_policy=RetryPolicy(maximum_attempts=7),
        )


@workflow.defn(name="Order", sandboxed=False)
class OtherArgument:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(60)
        await do(charge, "b")


@workflow.defn(name="Order", sandboxed=False)
class OtherTimer:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(90)
        await asyncio.sleep(0)
        await do(charge)


@pytest.mark.parametrize("changed", [RetriedElsewhere, OtherArgument, OtherTimer])
async def test_change_that_no_event_shows_is_free(changed: type) -> None:
    recorded = await Bug("", Charged, "", "", "").record()
    assert explain(recorded, workflows=[changed]) is None


@workflow.defn(name="Order", sandboxed=False)
class Suspicious:
    """Looks at the clock and more, but only for its logs and for what activities are told."""

    @workflow.run
    async def run(self) -> None:
        began = time.time()
        for item in {"tea", "cups"}:
            workflow.logger.debug(item)
        await do(charge, str(random.random()))
        workflow.logger.debug(time.time() - began)
        if random.random() > 2:
            await do(reserve)
        await do(notify, str(datetime.now(timezone.utc)))


@workflow.defn(name="Order", sandboxed=False)
class SuspiciousWithOneMore:
    @workflow.run
    async def run(self) -> None:
        began = time.time()
        for item in {"tea", "cups"}:
            workflow.logger.debug(item)
        await do(charge, str(random.random()))
        workflow.logger.debug(time.time() - began)
        await do(ship, str(datetime.now(timezone.utc)))
        await do(notify, str(datetime.now(timezone.utc)))


@workflow.defn(name="Order", sandboxed=False)
class Configured:
    """The environment does decide, but as it did."""

    @workflow.run
    async def run(self) -> None:
        debugs = os.environ.get("SHOP_DEBUG")
        if datetime.now(timezone.utc).year > 2000:
            await do(charge)
        if debugs:
            await do(reserve)
        await do(notify)


@workflow.defn(name="Order", sandboxed=False)
class ConfiguredWithOneMore:
    @workflow.run
    async def run(self) -> None:
        debugs = os.environ.get("SHOP_DEBUG")
        if datetime.now(timezone.utc).year > 2000:
            await do(charge)
        if debugs:
            await do(reserve)
        for each in (ship,):
            await do(each)
        await do(notify)


@pytest.mark.parametrize(
    ("then", "now"),
    [(Suspicious, SuspiciousWithOneMore), (Configured, ConfiguredWithOneMore)],
)
async def test_what_decides_nothing_is_not_to_blame(then: type, now: type) -> None:
    explanation = await Bug("", now, "", "", "", recorded_by=then).explanation()
    assert explanation.cause.kind == "changed code"
    assert "activity ship" in explanation.cause.told


limits = {"eu": 100}


@workflow.defn(name="Order", sandboxed=False)
class CheckedTwice:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(reserve, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(reserve, "b", start_to_close_timeout=SOON)
        await do(notify)


@workflow.defn(name="Order", sandboxed=False)
class CheckedOnce:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(reserve, "a", start_to_close_timeout=SOON)
        if limits["eu"] > 200:
            await do(charge)
        await do(notify)


async def test_line_that_has_asked_for_something_else_is_not_the_recorded_one() -> None:
    bug = Bug("", CheckedOnce, "", "", "", recorded_by=CheckedTwice)
    assert (await bug.explanation()).recorded_place is None


async def test_table_that_nothing_changes_is_not_to_blame() -> None:
    bug = Bug("", CheckedOnce, "", "", "", recorded_by=Charging)
    assert (await bug.explanation()).cause.kind == "changed code"


@workflow.defn(name="Order", sandboxed=False)
class Charging:
    @workflow.run
    async def run(self) -> None:
        await do(reserve)
        await do(charge)
        await do(notify)


@workflow.defn(name="Order", sandboxed=False)
class TwoAtOnce:
    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(do(reserve), do(reserve))


async def signalled(sim: Simulation, handle: WorkflowHandle[Any, Any]) -> None:
    await handle.signal("nobody_listens")
    await handle.result()


async def test_signal_that_nobody_waits_for_is_not_to_blame() -> None:
    bug = Bug("", CheckedOnce, "", "", "", recorded_by=TwoAtOnce, drive=signalled)
    assert "It has come as far as to be" in (await bug.explanation()).cause.told
