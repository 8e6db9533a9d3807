"""What the workflows of the gallery call."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow

#: Options of the calls.
SOON = timedelta(seconds=10)


@activity.defn
async def charge(order: str) -> str:
    return f"charged {order}"


@activity.defn
async def reserve(order: str) -> str:
    return f"reserved {order}"


@activity.defn
async def ship(order: str) -> str:
    return f"shipped {order}"


@activity.defn
async def notify(order: str) -> str:
    return f"notified {order}"


@activity.defn
async def wait_for_stock(order: str) -> str:
    await asyncio.sleep(3600)
    return f"in stock for {order}"


ALL = (charge, reserve, ship, notify, wait_for_stock)


@workflow.defn(sandboxed=False)
class Shipping:
    @workflow.run
    async def run(self, order: str) -> str:
        return f"shipped {order}"


@workflow.defn(sandboxed=False)
class Returns:
    @workflow.run
    async def run(self, order: str) -> str:
        return f"returned {order}"
