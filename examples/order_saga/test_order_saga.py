from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from examples.order_saga.activities import charge_card, ship_order
from examples.order_saga.models import CompletedOrder, Order, Receipt, Shipment
from examples.order_saga.workflows import OrderWorkflow
from timeskip import Simulation

ORDER = Order(id="17", item="teapot", amount_cents=42_00)
RECEIPT = Receipt(id="receipt-17", amount_cents=42_00)
SHIPMENT = Shipment(tracking="parcel-17")


class Cashier:
    """Stands in for the refund activity and remembers what it paid back."""

    def __init__(self) -> None:
        self.refunds: list[Receipt] = []

    @activity.defn(name="refund_card")
    async def refund_card(self, receipt: Receipt) -> None:
        self.refunds.append(receipt)


@pytest.fixture
def cashier() -> Cashier:
    return Cashier()


def order_worker(
    sim: Simulation,
    cashier: Cashier,
    *,
    charge: Callable[..., Any] = charge_card,
    ship: Callable[..., Any] = ship_order,
) -> AbstractAsyncContextManager[Any]:
    return sim.worker(workflows=[OrderWorkflow], activities=[charge, ship, cashier.refund_card])


async def place_order(sim: Simulation) -> WorkflowHandle[OrderWorkflow, CompletedOrder]:
    return await sim.client.start_workflow(
        OrderWorkflow.run, ORDER, id="order-17", task_queue=sim.task_queue
    )


async def test_order_is_charged_and_shipped(sim: Simulation, cashier: Cashier) -> None:
    async with order_worker(sim, cashier):
        order = await place_order(sim)

        assert await order.result() == CompletedOrder(RECEIPT, SHIPMENT)

    assert cashier.refunds == []


async def test_unreachable_card_network_is_tried_again(sim: Simulation, cashier: Cashier) -> None:
    @activity.defn(name="charge_card")
    async def charge_at_third_attempt(order: Order) -> Receipt:
        if activity.info().attempt < 3:
            raise ConnectionError("card network unreachable")
        return await charge_card(order)

    async with order_worker(sim, cashier, charge=charge_at_third_attempt):
        order = await place_order(sim)

        assert (await order.result()).receipt == RECEIPT

    assert sim.elapsed == timedelta(seconds=1) + timedelta(seconds=2)


async def test_declined_card_is_not_charged_twice(sim: Simulation, cashier: Cashier) -> None:
    attempts = 0

    @activity.defn(name="charge_card")
    async def decline(order: Order) -> Receipt:
        nonlocal attempts
        attempts += 1
        raise ApplicationError("insufficient funds", type="CardDeclined")

    async with order_worker(sim, cashier, charge=decline):
        order = await place_order(sim)

        with pytest.raises(WorkflowFailureError):
            await order.result()

    assert attempts == 1
    assert cashier.refunds == []


async def test_parcel_leaves_when_the_strike_is_over(sim: Simulation, cashier: Cashier) -> None:
    strike_ends = sim.now + timedelta(days=2)

    @activity.defn(name="ship_order")
    async def ship_unless_on_strike(order: Order) -> Shipment:
        if datetime.now(timezone.utc) < strike_ends:
            raise ConnectionError("courier is on strike")
        return await ship_order(order)

    async with order_worker(sim, cashier, ship=ship_unless_on_strike):
        order = await place_order(sim)

        assert (await order.result()).shipment == SHIPMENT

    # Attempts are at most six hours apart by then.
    assert timedelta(days=2) <= sim.elapsed < timedelta(days=2, hours=6)
    assert cashier.refunds == []


async def test_order_out_of_stock_is_refunded(sim: Simulation, cashier: Cashier) -> None:
    @activity.defn(name="ship_order")
    async def find_shelf_empty(order: Order) -> Shipment:
        raise ApplicationError(f"no {order.item} left", type="OutOfStock")

    async with order_worker(sim, cashier, ship=find_shelf_empty):
        order = await place_order(sim)

        with pytest.raises(WorkflowFailureError) as failure:
            await order.result()

    assert isinstance(failure.value.cause, ActivityError)
    assert str(failure.value.cause.cause) == "OutOfStock: no teapot left"
    assert cashier.refunds == [RECEIPT]


async def test_order_cancelled_while_it_waits_for_the_courier_is_refunded(
    sim: Simulation, cashier: Cashier
) -> None:
    @activity.defn(name="ship_order")
    async def stay_on_strike(order: Order) -> Shipment:
        raise ConnectionError("courier is on strike")

    async with order_worker(sim, cashier, ship=stay_on_strike):
        order = await place_order(sim)
        sim.at(timedelta(hours=1), order.cancel)

        with pytest.raises(WorkflowFailureError) as failure:
            await order.result()

    assert isinstance(failure.value.cause, CancelledError)
    assert cashier.refunds == [RECEIPT]
    assert sim.elapsed == timedelta(hours=1)
