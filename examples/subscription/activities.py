from dataclasses import dataclass
from datetime import datetime, timezone

from temporalio import activity

from examples.subscription.models import Invoice, Subscription


@dataclass(frozen=True)
class Charge:
    subscription: Subscription
    number: int


@activity.defn
async def charge_month(charge: Charge) -> Invoice:
    """Charges one month. A real one would pass customer and number as the idempotency key."""
    return Invoice(
        customer=charge.subscription.customer,
        number=charge.number,
        amount_cents=charge.subscription.price_cents,
        charged_at=datetime.now(timezone.utc),
    )
