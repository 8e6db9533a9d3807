"""A workflow with some of everything at which a worker can die.

Three activities, of which two fail once and one goes on from its last heartbeat, a local activity, two
timers, a child, a signal, an update and a query. Who plays it gives it hours between one news and the
next, so that no recovery changes the order of things.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

_MINUTE = timedelta(minutes=1)
_RETRIES = RetryPolicy(initial_interval=timedelta(seconds=10))


@activity.defn
async def price(place: str) -> int:
    return 100 * len(place)


@activity.defn
async def book(place: str) -> str:
    """Succeeds at the second attempt."""
    if activity.info().attempt == 1:
        raise ApplicationError("the hotel is busy")
    return f"a room in {place}"


@activity.defn
async def collect(count: int) -> int:
    """Takes a minute for each, and goes on where the attempt before has got to."""
    details = activity.info().heartbeat_details
    done = details[0] if details else 0
    while done < count:
        await asyncio.sleep(60)
        done += 1
        if done < count:  # the SDK's core may leave out one that is followed by the end
            activity.heartbeat(done)
    return done


@activity.defn
async def confirm(place: str) -> str:
    if activity.info().attempt == 1:
        raise ApplicationError("the line is dead")
    return f"{place} confirmed"


@workflow.defn
class Transfer:
    """Takes two hours."""

    @workflow.run
    async def run(self, place: str) -> str:
        await asyncio.sleep(2 * 60 * 60)
        return f"arrived in {place}"


@workflow.defn
class Trip:
    """Is priced and booked, gets a guest, sets out, collects tickets, arrives and is confirmed."""

    def __init__(self) -> None:
        self._guests: list[str] = []
        self._sets_out = False

    @workflow.run
    async def run(self, place: str) -> list[Any]:
        told: list[Any] = [
            await workflow.execute_local_activity(price, place, start_to_close_timeout=_MINUTE)
        ]
        told.append(
            await workflow.execute_activity(
                book, place, start_to_close_timeout=_MINUTE, retry_policy=_RETRIES
            )
        )
        await workflow.wait_condition(lambda: bool(self._guests))
        await asyncio.sleep(60 * 60)
        await workflow.wait_condition(lambda: self._sets_out)
        told.append(
            await workflow.execute_activity(
                collect,
                3,
                start_to_close_timeout=timedelta(hours=1),
                heartbeat_timeout=2 * _MINUTE,
                retry_policy=_RETRIES,
            )
        )
        told.append(await workflow.execute_child_workflow(Transfer.run, place))
        await asyncio.sleep(60 * 60)
        told.append(
            await workflow.execute_activity(
                confirm, place, start_to_close_timeout=_MINUTE, retry_policy=_RETRIES
            )
        )
        return [*told, *self._guests]

    @workflow.signal
    def set_out(self) -> None:
        self._sets_out = True

    @workflow.update
    async def add_guest(self, name: str) -> int:
        self._guests.append(name)
        return len(self._guests)

    @workflow.query
    def guests(self) -> list[str]:
        return self._guests


WORKER: dict[str, Any] = {
    "workflows": [Trip, Transfer],
    "activities": [price, book, collect, confirm],
    "workflow_runner": UnsandboxedWorkflowRunner(),
}


def build(client: Client, task_queue: str) -> Worker:
    """The same in a process of its own."""
    return Worker(client, task_queue=task_queue, **WORKER)
