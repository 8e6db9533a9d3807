"""What happened in an order, besides what came of it."""

from datetime import timedelta

from temporalio import activity

from examples.order_saga.activities import charge_card, refund_card, ship_order
from examples.order_saga.models import Order, Receipt
from examples.order_saga.workflows import OrderWorkflow
from pytest_timeskip import replay_folder
from timeskip import Simulation
from timeskip.histories import GoldenHistory, event

ORDER = Order(id="17", item="teapot", amount_cents=42_00)

# What `timeskip history pull` has brought: the workflow of today replays each, a test of its own.
test_orders_of_production = replay_folder("production", workflows=[OrderWorkflow])


@activity.defn(name="charge_card")
async def charge_at_third_attempt(order: Order) -> Receipt:
    if activity.info().attempt < 3:
        raise ConnectionError("card network unreachable")
    return await charge_card(order)


async def test_order_takes_its_course(sim: Simulation, golden_history: GoldenHistory) -> None:
    async with sim.worker(
        workflows=[OrderWorkflow], activities=[charge_card, ship_order, refund_card]
    ):
        order = await sim.client.start_workflow(
            OrderWorkflow.run, ORDER, id="order-17", task_queue=sim.task_queue
        )
        await order.result()

    assert await sim.history(order) == golden_history


async def test_order_is_charged_at_the_third_attempt(sim: Simulation) -> None:
    async with sim.worker(
        workflows=[OrderWorkflow], activities=[charge_at_third_attempt, ship_order, refund_card]
    ):
        order = await sim.client.start_workflow(
            OrderWorkflow.run, ORDER, id="order-17", task_queue=sim.task_queue
        )
        await order.result()

    history = await sim.history(order)
    charge = history.activities["charge_card"]
    assert charge.attempts == 3
    assert charge.last_failure == "card network unreachable"
    assert "refund_card" not in history.activities.names
    history.events.in_order(
        event("ActivityTaskScheduled", activity_type="charge_card", input=[ORDER]),
        "ActivityTaskCompleted",
        event("ActivityTaskScheduled", activity_type="ship_order"),
        "WorkflowExecutionCompleted",
    )


async def test_retries_do_not_change_what_an_order_does(
    sim: Simulation, golden_history: GoldenHistory
) -> None:
    async with sim.worker(
        workflows=[OrderWorkflow], activities=[charge_at_third_attempt, ship_order, refund_card]
    ):
        order = await sim.client.start_workflow(
            OrderWorkflow.run, ORDER, id="order-17", task_queue=sim.task_queue
        )
        await order.result()

    # Attempts are not the workflow's doing.
    assert (await sim.history(order)).commands == golden_history
    assert sim.elapsed == timedelta(seconds=3)
