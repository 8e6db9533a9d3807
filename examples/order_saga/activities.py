"""The steps of an order that touch the outside world.

Real ones would call a card processor and a courier, and pass the order's id as the idempotency key.
"""

from temporalio import activity

from examples.order_saga.models import Order, Receipt, Shipment


@activity.defn
async def charge_card(order: Order) -> Receipt:
    return Receipt(id=f"receipt-{order.id}", amount_cents=order.amount_cents)


@activity.defn
async def ship_order(order: Order) -> Shipment:
    return Shipment(tracking=f"parcel-{order.id}")


@activity.defn
async def refund_card(receipt: Receipt) -> None:
    activity.logger.info("Refunded %s", receipt.id)
