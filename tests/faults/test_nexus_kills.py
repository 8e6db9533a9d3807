"""Workers that die with Nexus tasks: what the caller sees, and what is done twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import nexusrpc
import nexusrpc.handler
import pytest
import temporalio.nexus
from temporalio import workflow
from temporalio.workflow import NexusOperationCancellationType

from tests.faults.orders import ledger
from timeskip import Simulation

#: A request times out after nine seconds, and is made again a second later.
TRIED_AGAIN = timedelta(seconds=10)


@workflow.defn
class Delivers:
    @workflow.run
    async def run(self, what: str) -> str:
        ledger.entries.append("deliver")
        await asyncio.sleep(60)
        return f"delivered {what}"


@nexusrpc.service(name="shop")
class Shop:
    buy: nexusrpc.Operation[str, str]
    ponder: nexusrpc.Operation[str, str]
    deliver: nexusrpc.Operation[str, str]


@nexusrpc.handler.service_handler(service=Shop)
class ShopHandler:
    @nexusrpc.handler.sync_operation
    async def buy(self, ctx: nexusrpc.handler.StartOperationContext, what: str) -> str:
        ledger.entries.append("buy")
        return f"sold {what}"

    @nexusrpc.handler.sync_operation
    async def ponder(self, ctx: nexusrpc.handler.StartOperationContext, what: str) -> str:
        ledger.entries.append("begin")
        try:
            await asyncio.sleep(5)
        finally:
            ledger.entries.append("end")
        return f"sold {what} after all"

    @temporalio.nexus.workflow_run_operation
    async def deliver(
        self, ctx: temporalio.nexus.WorkflowRunOperationContext, what: str
    ) -> temporalio.nexus.WorkflowHandle[str]:
        ledger.entries.append("order")
        return await ctx.start_workflow(Delivers.run, what, id="delivery")


@workflow.defn
class Buys:
    @workflow.run
    async def run(self, operation: str) -> str:
        shop = workflow.create_nexus_client(service=Shop, endpoint="shop")
        return await shop.execute_operation(operation, "tea", output_type=str)


@workflow.defn
class ChangesItsMind:
    @workflow.run
    async def run(self) -> str:
        shop = workflow.create_nexus_client(service=Shop, endpoint="shop")
        handle = await shop.start_operation(
            Shop.deliver, "tea", cancellation_type=NexusOperationCancellationType.WAIT_COMPLETED
        )
        handle.cancel()
        try:
            return await handle
        except Exception as error:  # noqa: BLE001 - whatever comes of it
            return type(error).__name__


async def run_buys(sim: Simulation, operation: str) -> str:
    await sim.create_nexus_endpoint("shop", sim.task_queue)
    async with sim.worker(workflows=[Buys, Delivers], nexus_service_handlers=[ShopHandler()]):
        return await sim.client.execute_workflow(
            Buys.run, operation, id="buys", task_queue=sim.task_queue
        )


@pytest.mark.asyncio
async def test_places_of_operations(sim: Simulation) -> None:
    points = sim.crash_points
    await run_buys(sim, "deliver")
    names = [point.short_id for point in points if point.kind == "nexus-task"]
    assert names == [
        "nexus-task:shop/deliver#1:before-start",
        "nexus-task:shop/deliver#1:before-report",
        "nexus-task:shop/deliver#1:after-report",
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("moment", "sold", "elapsed"),
    [
        ("before-start", 1, TRIED_AGAIN),
        ("before-report", 2, TRIED_AGAIN),
        ("after-report", 1, None),
    ],
)
async def test_operation_that_has_its_result_at_once(
    sim: Simulation, moment: str, sold: int, elapsed: timedelta | None
) -> None:
    fault = sim.faults.kill_worker(at=f"nexus-task:shop/buy#1:{moment}")
    assert await run_buys(sim, "buy") == "sold tea"
    assert fault.count == 1
    assert ledger.count("buy") == sold
    assert elapsed is None or sim.elapsed == elapsed


@pytest.mark.asyncio
@pytest.mark.parametrize("moment", ["before-start", "before-report", "after-report"])
async def test_operation_that_a_workflow_carries_out(sim: Simulation, moment: str) -> None:
    fault = sim.faults.kill_worker(at=f"nexus-task:buys/shop/deliver#1:{moment}")
    assert await run_buys(sim, "deliver") == "delivered tea"
    assert fault.count == 1
    assert [run.workflow_id for run in sim.runs] == ["buys", "delivery"]


@pytest.mark.asyncio
async def test_handler_that_dies_in_the_middle(sim: Simulation) -> None:
    fault = sim.faults.kill_worker(at="time:3s")
    assert await run_buys(sim, "ponder") == "sold tea after all"
    assert fault.count == 1
    assert ledger.entries == ["begin", "begin", "end"]
    assert sim.elapsed == TRIED_AGAIN + timedelta(seconds=5)


@pytest.mark.asyncio
@pytest.mark.parametrize("moment", ["before-start", "before-report", "after-report"])
async def test_cancellation(sim: Simulation, moment: str) -> None:
    await sim.create_nexus_endpoint("shop", sim.task_queue)
    fault = sim.faults.kill_worker(at=f"nexus-cancel:shop/deliver#1:{moment}")
    async with sim.worker(
        workflows=[ChangesItsMind, Delivers], nexus_service_handlers=[ShopHandler()]
    ):
        outcome = await sim.client.execute_workflow(
            ChangesItsMind.run, id="changes", task_queue=sim.task_queue
        )
    assert outcome == "NexusOperationError"
    assert fault.count == 1


@pytest.mark.asyncio
async def test_lost_answer_to_a_report(sim: Simulation) -> None:
    sim.faults.lose_response(at="nexus-task:shop/buy#1:before-report")
    assert await run_buys(sim, "buy") == "sold tea"


@pytest.mark.asyncio
async def test_late_report(sim: Simulation) -> None:
    sim.faults.latency(at="nexus-task:shop/buy#1:before-report", by=timedelta(seconds=4))
    assert await run_buys(sim, "buy") == "sold tea"
    assert sim.elapsed == timedelta(seconds=4)
    assert ledger.count("buy") == 1
