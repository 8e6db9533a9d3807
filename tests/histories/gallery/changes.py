"""Workflows whose code was changed while runs were open."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow

from tests.histories.gallery.activities import (
    SOON,
    Returns,
    Shipping,
    charge,
    notify,
    reserve,
    ship,
    wait_for_stock,
)
from tests.histories.gallery.bug import Bug


@workflow.defn(name="Order", sandboxed=False)
class ChargedThenReserved:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(reserve, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class ReservedThenCharged:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(reserve, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class Notified:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class Renamed:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("send_mail", "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class Slept:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(days=1))
        await workflow.execute_activity(ship, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class SleptAfterwards:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(ship, "a", start_to_close_timeout=SOON)
        await workflow.sleep(timedelta(days=1))


@workflow.defn(name="Order", sandboxed=False)
class SleptNoMore:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(ship, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class Guarded:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(reserve, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class Charged:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class Paused:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        await asyncio.sleep(60)
        await workflow.execute_activity(reserve, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class ChargedLocally:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_local_activity(charge, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(ship, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class ChargedRemotely:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(ship, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class ReservedLocally:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_local_activity(reserve, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(ship, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class Shipped:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_child_workflow(Shipping.run, "a", id="shipping-1")


@workflow.defn(name="Order", sandboxed=False)
class Returned:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_child_workflow(Returns.run, "a", id="shipping-1")


@workflow.defn(name="Order", sandboxed=False)
class ShippedAs:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_child_workflow(Shipping.run, "a", id="order-1/shipping")


@workflow.defn(name="Order", sandboxed=False)
class Cancelled:
    @workflow.run
    async def run(self) -> None:
        waiting = workflow.start_activity(wait_for_stock, "a", schedule_to_close_timeout=SOON)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        waiting.cancel()
        await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class NotCancelled:
    @workflow.run
    async def run(self) -> None:
        workflow.start_activity(wait_for_stock, "a", schedule_to_close_timeout=SOON)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class ChargedAs:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            charge, "a", activity_id="payment", start_to_close_timeout=SOON
        )


@workflow.defn(name="Order", sandboxed=False)
class ChargedAsOther:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            charge, "a", activity_id="charge", start_to_close_timeout=SOON
        )


BUGS = (
    Bug(
        "Two activities have changed places",
        ReservedThenCharged,
        cause="changed code",
        at="execute_activity(reserve",
        asked_at="execute_activity(reserve",
        recorded_by=ChargedThenReserved,
    ),
    Bug(
        "An activity has another name",
        Renamed,
        cause="changed code",
        at='execute_activity("send_mail"',
        asked_at='execute_activity("send_mail"',
        recorded_by=Notified,
    ),
    Bug(
        "A timer has moved",
        SleptAfterwards,
        cause="changed code",
        at="execute_activity(ship",
        asked_at="execute_activity(ship",
        recorded_by=Slept,
    ),
    Bug(
        "A timer has gone",
        SleptNoMore,
        cause="changed code",
        at="execute_activity(ship",
        asked_at="execute_activity(ship",
        recorded_by=Slept,
    ),
    Bug(
        "A pause was added",
        Paused,
        cause="changed code",
        at="asyncio.sleep(60)",
        asked_at="asyncio.sleep(60)",
        recorded_by=ChargedThenReserved,
    ),
    Bug(
        "An activity was added between two others",
        Guarded,
        cause="changed code",
        at="execute_activity(notify",
        asked_at="execute_activity(notify",
        recorded_by=ChargedThenReserved,
    ),
    Bug(
        "An activity was removed at the end",
        Charged,
        cause="changed code",
        at="execute_activity(charge",
        asked_at="execute_activity(charge",
        recorded_by=ChargedThenReserved,
    ),
    Bug(
        "An activity is not cancelled any more",
        NotCancelled,
        cause="changed code",
        at="execute_activity(notify",
        asked_at="",
        recorded_by=Cancelled,
    ),
    Bug(
        "A local activity has become another kind of activity",
        ChargedRemotely,
        cause="changed code",
        at="execute_activity(charge",
        asked_at="execute_activity(charge",
        recorded_by=ChargedLocally,
    ),
    Bug(
        "A local activity is another one",
        ReservedLocally,
        cause="changed code",
        at="execute_local_activity(reserve",
        asked_at="execute_local_activity(reserve",
        recorded_by=ChargedLocally,
    ),
    Bug(
        "A child workflow is of another type",
        Returned,
        cause="changed code",
        at="execute_child_workflow(Returns",
        asked_at="execute_child_workflow(Returns",
        recorded_by=Shipped,
    ),
    Bug(
        "A child workflow has another id",
        ShippedAs,
        cause="changed code",
        at="execute_child_workflow(Shipping",
        asked_at="execute_child_workflow(Shipping",
        recorded_by=Shipped,
    ),
    Bug(
        "An activity has another id",
        ChargedAsOther,
        cause="changed code",
        at="workflow.execute_activity(",
        asked_at="workflow.execute_activity(",
        recorded_by=ChargedAs,
    ),
)
