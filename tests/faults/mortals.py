"""Workflows to whose workers something happens at certain places.

`python -m tests.faults.mortals ADDRESS SCENARIO [SIGNAL]` is a worker's process. It says when it is up,
and begins to work when it is told so by a line. With the name of a signal it sends that to itself, once,
at the place of the scenario.
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

#: Where something happens to this process, and what; nowhere, if it is the test's own.
_place = ""
_signal = signal.SIGKILL

#: Real seconds between two looks at the real server, for what it does not tell by itself.
LOOK_AGAIN = 0.05

#: Seconds pass for real on the real server.
SHORT = timedelta(seconds=2)
_RETRIES = RetryPolicy(initial_interval=timedelta(seconds=1))


def worker_options(task_queue: str) -> dict[str, Any]:
    """What both the workers of a process and those of a simulation are made with."""
    options: dict[str, Any] = {
        "workflow_runner": UnsandboxedWorkflowRunner(),
        "sticky_queue_schedule_to_start_timeout": timedelta(seconds=1),
    }
    if task_queue in ("sold", "ordered"):
        # The request to the dead worker is over after ten seconds, and ten seconds after its last
        # poll its sticky queue counts as deserted. Which comes first is chance on the real server.
        options["max_cached_workflows"] = 0
    return options


def happens(place: str) -> None:
    """The process gets its signal, if it was started in order to get it here."""
    global _place
    if place == _place:
        _place = ""
        os.kill(os.getpid(), _signal)


@activity.defn
async def charge() -> str:
    happens("activity")
    return "receipt"


@activity.defn
async def carry_on() -> list[str]:
    """Says how far it has got, and what the attempt before has said."""
    before = list(activity.info().heartbeat_details)
    activity.heartbeat("half way")
    # The SDK sends the first heartbeat at once, but not before this code waits for something.
    await asyncio.sleep(0.5)
    if _place == "heartbeat":
        await _until_heard()
    happens("heartbeat")
    return before


async def _until_heard() -> None:
    """Wait until the service knows the heartbeat of this activity."""
    handle = activity.client().get_workflow_handle(activity.info().workflow_id or "")
    while True:
        for pending in (await handle.describe()).raw_description.pending_activities:
            if pending.HasField("heartbeat_details"):
                return
        await asyncio.sleep(LOOK_AGAIN)


@activity.defn
async def rest() -> str:
    """Takes four seconds."""
    happens("rest")
    await asyncio.sleep(4)
    return "rested"


@workflow.defn
class Rests:
    """Something happens while its activity runs."""

    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            rest, start_to_close_timeout=timedelta(seconds=20), retry_policy=_RETRIES
        )


@workflow.defn
class Charges:
    """Something happens to its activity's worker between the end of the code and the report."""

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
        happens("first task")
        return "begun"


@workflow.defn
class WakesUp:
    """Its worker dies with the second workflow task, or while nothing happens."""

    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(2)
        happens("second task")
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
        happens("sale")
        return f"sold {what}"

    @temporalio.nexus.workflow_run_operation
    async def deliver(
        self, ctx: temporalio.nexus.WorkflowRunOperationContext, what: str
    ) -> temporalio.nexus.WorkflowHandle[str]:
        handle = await ctx.start_workflow(
            Delivers.run, what, id=f"delivery of {what}", task_timeout=SHORT
        )
        happens("delivery")
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
    """Something that happens: to a simulated worker by a fault, and to a process on a real server.

    Attributes:
        name: Of the workflow, of its task queue and of its endpoint.
        workflow: What is run.
        place: Where, on the real server; if it is empty, when the process has nothing to do.
        fault: A line of a plan.
        happens: On the real server: the name of a signal for the process, or "reset", which is done to
            the sticky queue.
    """

    name: str
    workflow: Callable[..., Any]
    place: str
    fault: str
    happens: str = "SIGKILL"


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "charged", Charges.run, "activity", "kill-worker at activity:charge#1:before-report"
        ),
        Scenario(
            "half-way",
            CarriesOn.run,
            "heartbeat",
            "kill-worker at heartbeat:carry_on#1:1:after-report",
        ),
        Scenario(
            "first", Begins.run, "first task", "kill-worker at workflow-task:first:1:before-report"
        ),
        Scenario(
            "second",
            WakesUp.run,
            "second task",
            "kill-worker at workflow-task:second:2:before-report",
        ),
        Scenario("sold", Buys.run, "sale", "kill-worker at nexus-task:shop/buy#1:before-report"),
        Scenario(
            "ordered",
            Buys.run,
            "delivery",
            "kill-worker at nexus-task:shop/deliver#1:before-report",
        ),
        Scenario("between", WakesUp.run, "", "kill-worker at workflow-task:between:1:after-report"),
        # The attempt's time is over after two seconds, and a second later comes the next.
        Scenario(
            "hung",
            Charges.run,
            "activity",
            "stop-worker at activity:charge#1:before-report length=4s",
            happens="SIGSTOP",
        ),
        Scenario(
            "cut-off",
            Charges.run,
            "activity",
            "partition at activity:charge#1:before-report length=4s",
            happens="SIGSTOP",
        ),
        Scenario(
            "asked-to-end", Rests.run, "rest", "terminate-worker at time:1s", happens="SIGTERM"
        ),
        Scenario(
            "reset",
            WakesUp.run,
            "",
            "drop-sticky-queue at workflow-task:reset:1:after-report",
            happens="reset",
        ),
    )
}

WORKFLOWS = [Charges, CarriesOn, Begins, Rests, WakesUp, Delivers, Buys]
ACTIVITIES: list[Callable[..., Any]] = [charge, carry_on, rest]


def build(client: Client, task_queue: str) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        activities=ACTIVITIES,
        nexus_service_handlers=[ShopHandler()],
        **worker_options(task_queue),
    )


async def serve(address: str, task_queue: str) -> None:
    """Work until somebody ends the process."""
    worker = build(await Client.connect(address), task_queue)
    ends = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ends.set)
    print("up", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    async with worker:
        await ends.wait()


if __name__ == "__main__":
    if sys.argv[3:]:
        _place = SCENARIOS[sys.argv[2]].place
        _signal = signal.Signals[sys.argv[3]]
    asyncio.run(serve(sys.argv[1], sys.argv[2]))
