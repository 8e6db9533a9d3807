"""Updates of workflows that the SDK's own worker runs, requested with the SDK's client."""

from __future__ import annotations

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowUpdateStage

from tests.conformance import orders
from tests.conformance.scenario import scenario
from tests.conformance.test_sdk_workers import observe_outcome, run_of, start
from tests.conformance.world import World


@scenario("rpc:UpdateWorkflowExecution", "rpc:PollWorkflowExecutionUpdate", clock="virtual")
async def test_sdk_updates_of_a_basket(world: World) -> None:
    async with world.worker(workflows=[orders.Basket], activities=[orders.charge]):
        basket = await start(world, orders.Basket.run)
        await world.until_event(run_of(basket), EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
        world.observe("put", await basket.execute_update(orders.Basket.put, "apple", id="apple"))
        await world.observe_error("no name", basket.execute_update(orders.Basket.put, "", id="no"))
        world.observe("put again", await basket.execute_update("put", "pear", id="pear"))
        paying = await basket.start_update(
            orders.Basket.pay, "Ada", id="pay", wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        world.observe("paid", await paying.result())
        same = basket.get_update_handle("pay", result_type=str)
        world.observe("paid, asked again", await same.result())
        await world.observe_error(
            "given back", basket.execute_update(orders.Basket.give_back, "pear", id="back")
        )
        await world.observe_error("unknown", basket.execute_update("nothing", id="nothing"))
        await basket.execute_update(orders.Basket.check_out, id="out")
        await observe_outcome(world, basket)
        world.observe("paid, asked in the end", await same.result())
        await world.observe_error("too late", basket.execute_update("put", "plum", id="plum"))


@scenario(clock="virtual")
async def test_sdk_updates_without_a_cache(world: World) -> None:
    async with world.worker(
        workflows=[orders.Basket], activities=[orders.charge], max_cached_workflows=0
    ):
        basket = await start(world, orders.Basket.run)
        await world.until_event(run_of(basket), EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
        world.observe("put", await basket.execute_update(orders.Basket.put, "apple", id="apple"))
        await world.observe_error("no name", basket.execute_update(orders.Basket.put, "", id="no"))
        world.observe("paid", await basket.execute_update(orders.Basket.pay, "Ada", id="pay"))
        await basket.execute_update(orders.Basket.check_out, id="out")
        await observe_outcome(world, basket)
