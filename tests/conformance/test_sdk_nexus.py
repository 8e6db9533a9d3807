"""Nexus operations as users have them: the SDK's workers call and carry them out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio.workflow import NexusOperationCancellationType

from tests.conformance import purchases
from tests.conformance.nexus import create_endpoint
from tests.conformance.scenario import scenario
from tests.conformance.test_sdk_workers import VIRTUAL, observe_outcome, start
from tests.conformance.world import Run, World

SCHEDULE = "command:ScheduleNexusOperation"
CANCEL = "command:RequestCancelNexusOperation"

WORKFLOWS: list[type] = [
    purchases.Buyer,
    purchases.ChangingBuyer,
    purchases.Delivery,
    purchases.SharedBuyers,
]


@asynccontextmanager
async def shop(world: World, *handlers: Any) -> AsyncIterator[str]:
    """A worker that buys and sells; the name of its endpoint."""
    endpoint = await create_endpoint(world)
    services = handlers or (purchases.ShopHandler(world.suffix),)
    async with world.worker(workflows=WORKFLOWS, nexus_service_handlers=services):
        yield endpoint.spec.name


async def observe_purchase(world: World, operation: str, what: str, **timeouts: float) -> None:
    """Note what becomes of one operation."""
    async with shop(world) as endpoint:
        handle = await start(world, purchases.Buyer.run, endpoint, operation, what, timeouts)
        await observe_outcome(world, handle)


@pytest.mark.parametrize("what", ["tea", "nothing", "air", "time", "trouble"])
@scenario(SCHEDULE, "event:NexusOperationCompleted", "event:NexusOperationFailed", clock="virtual")
async def test_sdk_an_operation_has_its_result_at_once(world: World, what: str) -> None:
    await observe_purchase(world, "buy", what)


@scenario(SCHEDULE, clock="virtual", differs=VIRTUAL)
async def test_sdk_a_handler_is_asked_again(world: World) -> None:
    await observe_purchase(world, "buy", "patience")


@scenario(SCHEDULE, clock="virtual")
async def test_sdk_an_operation_that_the_handler_does_not_know(world: World) -> None:
    await observe_purchase(world, "sell", "tea")


@pytest.mark.parametrize("what", ["tea", "nothing", "twice", "too late"])
@scenario(
    SCHEDULE,
    "event:NexusOperationStarted",
    "event:NexusOperationCompleted",
    "event:NexusOperationFailed",
    clock="virtual",
    differs=VIRTUAL,
)
async def test_sdk_a_workflow_carries_out_an_operation(world: World, what: str) -> None:
    await observe_purchase(world, "deliver", what)
    await world.observe_history("handler", Run(world.unique(f"delivery-{what}")))


@pytest.mark.parametrize("timeout", ["schedule_to_close_timeout", "start_to_close_timeout"])
@scenario(SCHEDULE, "event:NexusOperationTimedOut", clock="virtual", differs=VIRTUAL)
async def test_sdk_an_operation_takes_too_long(world: World, timeout: str) -> None:
    await observe_purchase(world, "deliver", "never", **{timeout: 4})


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "once it has begun"])
@pytest.mark.parametrize("what", ["never", "stubborn"])
@pytest.mark.parametrize("cancellation", NexusOperationCancellationType)
@scenario(
    SCHEDULE,
    CANCEL,
    "event:NexusOperationCanceled",
    "event:NexusOperationCancelRequested",
    "event:NexusOperationCancelRequestCompleted",
    clock="virtual",
    differs=VIRTUAL,
)
async def test_sdk_an_operation_is_cancelled(
    world: World, cancellation: NexusOperationCancellationType, what: str, at_once: bool
) -> None:
    async with shop(world) as endpoint:
        handle = await start(
            world, purchases.ChangingBuyer.run, endpoint, what, int(cancellation), at_once
        )
        await observe_outcome(world, handle)


@pytest.mark.parametrize("cancellation", NexusOperationCancellationType)
@scenario(SCHEDULE, CANCEL, "event:NexusOperationCancelRequestFailed", clock="virtual")
async def test_sdk_a_handler_that_cannot_cancel(
    world: World, cancellation: NexusOperationCancellationType
) -> None:
    if cancellation == NexusOperationCancellationType.WAIT_COMPLETED:
        return  # for ever
    async with shop(world, purchases.StubbornShopHandler()) as endpoint:
        handle = await start(
            world, purchases.ChangingBuyer.run, endpoint, "x", int(cancellation), False
        )
        await observe_outcome(world, handle)


@scenario(SCHEDULE, clock="virtual", differs=VIRTUAL)
async def test_sdk_two_operations_share_a_workflow(world: World) -> None:
    async with shop(world) as endpoint:
        handle = await start(world, purchases.SharedBuyers.run, endpoint)
        world.observe("result", await handle.result())
        history = await world.history(Run(world.unique("shared")))
        world.observe("events of the handler", len(history.events))
