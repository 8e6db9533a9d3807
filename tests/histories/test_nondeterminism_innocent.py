"""What is free to change, and what only looks suspicious."""

from __future__ import annotations

import asyncio
import os
import random
import time
from datetime import datetime, timezone

import pytest
from temporalio import workflow
from temporalio.common import RetryPolicy

from tests.histories.gallery.activities import SOON, charge, notify, reserve, ship
from tests.histories.gallery.bug import Bug
from tests.histories.gallery.shop import do
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
