from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from examples.order_saga.activities import charge_card, refund_card, ship_order
    from examples.order_saga.models import CompletedOrder, Order


@workflow.defn
class OrderWorkflow:
    """Charges the card, ships the parcel, and gives the money back if it cannot be shipped."""

    @workflow.run
    async def run(self, order: Order) -> CompletedOrder:
        receipt = await workflow.execute_activity(
            charge_card,
            order,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=1),
                backoff_coefficient=2,
                maximum_attempts=5,
                non_retryable_error_types=["CardDeclined"],
            ),
        )
        try:
            shipment = await workflow.execute_activity(
                ship_order,
                order,
                start_to_close_timeout=timedelta(minutes=5),
                schedule_to_close_timeout=timedelta(days=3),
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(minutes=10),
                    maximum_interval=timedelta(hours=6),
                    non_retryable_error_types=["OutOfStock"],
                ),
            )
        except ActivityError:
            # Cancelling the order ends the activity with this error too, and is refunded as well.
            await workflow.execute_activity(
                refund_card,
                receipt,
                start_to_close_timeout=timedelta(seconds=30),
                # No limit: money owed is paid back, however long the processor is down.
                retry_policy=RetryPolicy(maximum_interval=timedelta(hours=1)),
            )
            raise
        return CompletedOrder(receipt, shipment)
