"""Workflows whose worker's process dies at certain places, if it was started in order to die there.

`python -m tests.faults.mortals ADDRESS SCENARIO [dies]` is such a process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import nexusrpc
import nexusrpc.handler
import temporalio.nexus
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

#: Where this process is to die; nowhere, if it is the test's own.
_place = ""

#: Seconds pass for real on the real server.
SHORT = timedelta(seconds=2)
_RETRIES = RetryPolicy(initial_interval=timedelta(seconds=1))

#: What both the workers of a process and those of a simulation are made with.
WORKER_OPTIONS: dict[str, Any] = {
    "workflow_runner": UnsandboxedWorkflowRunner(),
    "sticky_queue_schedule_to_start_timeout": timedelta(seconds=1),
}


def may_die(place: str) -> None:
    """The process ends here, at once and without a word, if it was started in order to."""
    if place == _place:
        os.kill(os.getpid(), signal.SIGKILL)


@activity.defn
async def charge() -> str:
    may_die("activity")
    return "receipt"


@activity.defn
async def carry_on() -> list[str]:
    """Says how far it has got, and what the attempt before has said."""
    before = list(activity.info().heartbeat_details)
    activity.heartbeat("half way")
    # The SDK sends the first heartbeat at once, but not before this code waits for something.
    await asyncio.sleep(0.5)
    may_die("heartbeat")
    return before


@workflow.defn
class Charges:
    """Its activity's worker dies between the end of the code and the report."""

    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            charge, start_to_close_timeout=SHORT, retry_policy=_RETRIES
        )


@workflow.defn
class CarriesOn:
    """Its activity's worker dies after a heartbeat."""

    @workflow.run
    async def run(self) -> list[str]:
        return await workflow.execute_activity(
            carry_on,
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=SHORT,
            retry_policy=_RETRIES,
        )


@workflow.defn
class Begins:
    """Its worker dies with the first workflow task."""

    @workflow.run
    async def run(self) -> str:
        may_die("first task")
        return "begun"


@workflow.defn
class WakesUp:
    """Its worker dies with the second workflow task, or while nothing happens."""

    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(2)
        may_die("second task")
        return "awake"


@workflow.defn
class Delivers:
    """What an operation starts. It takes longer than it takes to ask the handler again."""

    @workflow.run
    async def run(self, what: str) -> str:
        await asyncio.sleep(12)
        return f"delivered {what}"


@nexusrpc.service(name="shop")
class Shop:
    """What its handlers carry out before they die."""

    buy: nexusrpc.Operation[str, str]
    deliver: nexusrpc.Operation[str, str]


@nexusrpc.handler.service_handler(service=Shop)
class ShopHandler:
    """Its worker dies once its code has ended."""

    @nexusrpc.handler.sync_operation
    async def buy(self, ctx: nexusrpc.handler.StartOperationContext, what: str) -> str:
        may_die("sale")
        return f"sold {what}"

    @temporalio.nexus.workflow_run_operation
    async def deliver(
        self, ctx: temporalio.nexus.WorkflowRunOperationContext, what: str
    ) -> temporalio.nexus.WorkflowHandle[str]:
        handle = await ctx.start_workflow(
            Delivers.run, what, id=f"delivery of {what}", task_timeout=SHORT
        )
        may_die("delivery")
        return handle


@workflow.defn
class Buys:
    """Has an operation carried out, whose handler's worker dies."""

    @workflow.run
    async def run(self) -> str:
        name = workflow.info().workflow_id
        shop = workflow.create_nexus_client(service=Shop, endpoint=name)
        operation = Shop.buy if name == "sold" else Shop.deliver
        return await shop.execute_operation(operation, "tea")


@dataclass(frozen=True)
class Scenario:
    """A death: of a process at `place`, and of a simulated worker by `fault`.

    Without a place the process is killed by the test once it has nothing to do.
    """

    name: str
    workflow: Callable[..., Any]
    place: str
    fault: str


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("charged", Charges.run, "activity", "activity:charge#1:before-report"),
        Scenario("half-way", CarriesOn.run, "heartbeat", "heartbeat:carry_on#1:1:after-report"),
        Scenario("first", Begins.run, "first task", "workflow-task:first:1:before-report"),
        Scenario("second", WakesUp.run, "second task", "workflow-task:second:2:before-report"),
        Scenario("sold", Buys.run, "sale", "nexus-task:shop/buy#1:before-report"),
        Scenario("ordered", Buys.run, "delivery", "nexus-task:shop/deliver#1:before-report"),
        Scenario("between", WakesUp.run, "", "workflow-task:between:1:after-report"),
    )
}

WORKFLOWS = [Charges, CarriesOn, Begins, WakesUp, Delivers, Buys]
ACTIVITIES: list[Callable[..., Any]] = [charge, carry_on]


async def serve(address: str, name: str) -> None:
    """Work for a scenario until somebody ends the process."""
    client = await Client.connect(address)
    worker = Worker(
        client,
        task_queue=name,
        workflows=WORKFLOWS,
        activities=ACTIVITIES,
        nexus_service_handlers=[ShopHandler()],
        **WORKER_OPTIONS,
    )
    await worker.run()


if __name__ == "__main__":
    if sys.argv[3:] == ["dies"]:
        _place = SCENARIOS[sys.argv[2]].place
    asyncio.run(serve(sys.argv[1], sys.argv[2]))
