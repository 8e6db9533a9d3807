"""A workflow with some of everything at which a worker can die, and the world outside of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

_MINUTE = timedelta(minutes=1)


class Ledger:
    """What activities have really done: it stands for the world outside of all workers."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def count(self, entry: str) -> int:
        """How often something was done."""
        return self.entries.count(entry)


#: Of the test that is running. Workers of this process share the world outside.
ledger = Ledger()


@activity.defn
async def charge_card(order: str) -> str:
    ledger.entries.append("charge")
    return f"receipt of {order}"


@activity.defn
async def import_items(count: int) -> int:
    """Takes a minute for each, and goes on where the attempt before has got to."""
    details = activity.info().heartbeat_details
    done = details[0] if details else 0
    while done < count:
        await asyncio.sleep(60)
        ledger.entries.append(f"item {done}")
        done += 1
        if done < count:  # the SDK's core may leave out one that is followed by the end
            activity.heartbeat(done)
    return done


@activity.defn
async def weigh(order: str) -> int:
    ledger.entries.append("weigh")
    return len(order)


@workflow.defn
class Shipping:
    """Ships after a day."""

    @workflow.run
    async def run(self, order: str) -> str:
        await asyncio.sleep(24 * 60 * 60)
        return f"{order} shipped"


@workflow.defn
class Order:
    """Weighs, charges, waits for an approval, imports and ships."""

    def __init__(self) -> None:
        self._approved_by = ""
        self._notes: list[str] = []

    @workflow.run
    async def run(self, order: str) -> list[str]:
        weight = await workflow.execute_local_activity(weigh, order, start_to_close_timeout=_MINUTE)
        receipt = await workflow.execute_activity(
            charge_card, order, start_to_close_timeout=_MINUTE
        )
        await asyncio.sleep(3600)
        await workflow.wait_condition(lambda: self._approved_by != "")
        items = await workflow.execute_activity(
            import_items,
            3,
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=timedelta(minutes=2),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=10)),
        )
        shipped = await workflow.execute_child_workflow(Shipping.run, order)
        return [str(weight), receipt, self._approved_by, str(items), shipped, *self._notes]

    @workflow.signal
    def approve(self, who: str) -> None:
        self._approved_by = who

    @workflow.update
    async def note(self, text: str) -> int:
        self._notes.append(text)
        return len(self._notes)

    @workflow.query
    def approved_by(self) -> str:
        return self._approved_by


WORKFLOWS = [Order, Shipping]
ACTIVITIES: list[Callable[..., Any]] = [charge_card, import_items, weigh]
