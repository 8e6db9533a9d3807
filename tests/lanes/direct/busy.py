"""A simulation in which much happens at one instant, and a record of all of it.

Run it as `python -m tests.lanes.direct.busy SEED...` for a digest of each seed's record.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import UnsandboxedWorkflowRunner

from timeskip import Simulation
from timeskip.server.calls import Answer, Call
from timeskip.server.errors import ServiceError

MINUTE = timedelta(minutes=1)


@activity.defn
async def pick(item: str) -> str:
    """Fails twice, with a delay in between, and is done at the same instant as its like."""
    await asyncio.sleep(5)
    activity.heartbeat(item)
    if activity.info().attempt < 3:
        raise ApplicationError(
            f"{item} is not on the shelf", category=ApplicationErrorCategory.BENIGN
        )
    return item.upper()


@activity.defn
async def pack(item: str) -> str:
    await asyncio.sleep(5)
    return f"[{item}]"


@workflow.defn
class Parcel:
    """Packs one item; waits for leave to go, or for an hour."""

    def __init__(self) -> None:
        self._may_go = False

    @workflow.run
    async def run(self, item: str) -> str:
        picked = await workflow.execute_activity(
            pick,
            item,
            start_to_close_timeout=MINUTE,
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=10)),
        )
        try:
            await workflow.wait_condition(lambda: self._may_go, timeout=timedelta(hours=1))
        except asyncio.TimeoutError:
            picked += "?"
        return f"{picked}-{workflow.uuid4()}"

    @workflow.signal
    def let_go(self) -> None:
        self._may_go = True


@workflow.defn
class Order:
    """Sends parcels as children, packs beside, and lets itself be told what to do."""

    def __init__(self) -> None:
        self._log: list[str] = []

    @workflow.run
    async def run(self, number: int, rounds: int) -> list[str]:
        timers = [asyncio.create_task(self._wake(name)) for name in "abc"]
        children = [
            await workflow.start_child_workflow(
                Parcel.run, item, id=f"parcel-{number}-{rounds}-{item}"
            )
            for item in ("book", "lamp")
        ]
        packed = [asyncio.create_task(self._pack(item)) for item in ("hat", "mug", "pen", "cup")]
        await children[0].signal(Parcel.let_go)
        await asyncio.gather(*timers, *packed)
        self._log += await asyncio.gather(*children)
        if rounds > 1:
            workflow.continue_as_new(args=[number, rounds - 1])
        return self._log

    async def _wake(self, name: str) -> None:
        await asyncio.sleep(5)
        self._log.append(name)

    async def _pack(self, item: str) -> None:
        self._log.append(await workflow.execute_activity(pack, item, start_to_close_timeout=MINUTE))

    @workflow.signal
    def note(self, text: str) -> None:
        self._log.append(text)

    @workflow.update
    async def ask(self, text: str) -> int:
        await asyncio.sleep(1)
        self._log.append(text)
        return len(self._log)

    @workflow.query
    def log(self) -> list[str]:
        return self._log


@dataclass
class Record:
    """Whole histories by workflow id and run, as bytes, and every call of the service in turn."""

    histories: dict[str, bytes] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)
    #: What each order logged.
    logs: list[list[str]] = field(default_factory=list)

    def digest(self) -> str:
        """The same for equal records, in every process."""
        sha = hashlib.sha256("\n".join(self.trace).encode())
        for name, history in self.histories.items():
            sha.update(name.encode())
            sha.update(history)
        return sha.hexdigest()


async def busy(seed: int) -> Record:
    """Two orders with two rounds each, two workers on one queue, and a test that interferes."""
    record = Record()
    async with Simulation(lane="direct", seed=seed) as sim:
        _trace(sim, record)
        workers = [
            sim.worker(
                workflows=[Order, Parcel],
                activities=[pick, pack],
                identity=f"worker-{number}",
                workflow_runner=UnsandboxedWorkflowRunner(),
                max_cached_workflows=5,
            )
            for number in range(2)
        ]
        async with workers[0], workers[1]:
            handles: list[WorkflowHandle[Order, list[str]]] = [
                await sim.client.start_workflow(
                    Order.run, args=[number, 2], id=f"order-{number}", task_queue=sim.task_queue
                )
                for number in range(2)
            ]
            for handle in handles:
                sim.at(timedelta(seconds=5), handle.signal, Order.note, "noted")
            parcel = sim.client.get_workflow_handle("parcel-1-2-lamp")
            sim.at(timedelta(seconds=10), parcel.signal, Parcel.let_go)
            await sim.sleep(5)
            answers = [handle.execute_update(Order.ask, "asked") for handle in handles]
            await asyncio.gather(*answers, handles[0].query(Order.log))
            record.logs = list(await asyncio.gather(*(handle.result() for handle in handles)))
        _keep_histories(sim, record)
    return record


@activity.defn
def count_sheep(herd: str) -> str:
    """Blocks its thread."""
    time.sleep(30)
    return f"{herd} counted"


@workflow.defn
class Shepherd:
    """Has one herd counted after the other."""

    @workflow.run
    async def run(self) -> list[str]:
        return [
            await workflow.execute_activity(count_sheep, herd, start_to_close_timeout=MINUTE)
            for herd in "abc"
        ]


async def threaded(seed: int) -> Record:
    """One activity in a thread at a time: two at one instant would race each other to the loop."""
    record = Record()
    async with Simulation(lane="direct", seed=seed) as sim:
        _trace(sim, record)
        async with sim.worker(
            workflows=[Shepherd],
            activities=[count_sheep],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            log = await sim.client.execute_workflow(
                Shepherd.run, id="shepherd", task_queue=sim.task_queue
            )
        record.logs = [log]
        _keep_histories(sim, record)
    return record


def _keep_histories(sim: Simulation, record: Record) -> None:
    for run in sim.runs:
        name = f"{run.workflow_id} {run.run_id}"
        record.histories[name] = run.history.SerializeToString(deterministic=True)


def _trace(sim: Simulation, record: Record) -> None:
    """Write down every call of the simulation's service and every answer, as it happens."""
    server = sim._server
    assert server is not None
    keeper, clock = server.keeper, server.service.clock
    carry = keeper.carry

    def note(what: str, call: Call, message: object) -> None:
        told = str(message) if isinstance(message, ServiceError) else _digest_of(message)
        record.trace.append(f"{clock.now()} {what} {call.rpc} {told}")

    def traced(call: Call) -> None:
        def answer(message: Answer) -> None:
            note("answer", call, message)
            deliver(message)

        note("call", call, call.request)
        deliver = call.redirect(answer)
        carry(call)

    keeper.carry = traced


def _digest_of(message: object) -> str:
    serialize = message.SerializeToString  # type: ignore[attr-defined]
    return hashlib.sha256(serialize(deterministic=True)).hexdigest()


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(argument, asyncio.run(busy(int(argument))).digest())
