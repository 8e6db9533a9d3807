import asyncio
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from examples.subscription.activities import Charge, charge_month
    from examples.subscription.models import Invoice, Subscription

MONTH = timedelta(days=30)


@workflow.defn
class SubscriptionWorkflow:
    """Charges a customer every month until told to cancel. Returns every invoice."""

    def __init__(self) -> None:
        self._invoices: list[Invoice] = []
        self._cancelled = False

    @workflow.run
    async def run(self, subscription: Subscription) -> list[Invoice]:
        # A month is nine events, so a lifetime fits in one history: no need to continue as new.
        next_charge = workflow.now()
        while not self._cancelled:
            await self._charge(subscription)
            # Reckoned from the due date: a charge that was retried for a day shifts no other.
            next_charge += MONTH
            with suppress(asyncio.TimeoutError):
                await workflow.wait_condition(
                    lambda: self._cancelled, timeout=next_charge - workflow.now()
                )
        return self._invoices

    @workflow.signal
    def cancel(self) -> None:
        self._cancelled = True

    @workflow.query
    def invoices(self) -> list[Invoice]:
        return self._invoices

    async def _charge(self, subscription: Subscription) -> None:
        invoice = await workflow.execute_activity(
            charge_month,
            Charge(subscription, number=len(self._invoices) + 1),
            start_to_close_timeout=timedelta(seconds=30),
            # A card that is declined today may have money on it tomorrow.
            retry_policy=RetryPolicy(
                initial_interval=timedelta(days=1), backoff_coefficient=1, maximum_attempts=7
            ),
        )
        self._invoices.append(invoice)
