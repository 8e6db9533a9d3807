from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from examples.charging.activities import Charge, Payments


@workflow.defn
class CarefulOrder:
    """Charges with a key by which the card processor knows a charge again."""

    @workflow.run
    async def run(self, charge: Charge) -> str:
        await workflow.execute_activity_method(
            Payments.charge_once, charge, start_to_close_timeout=timedelta(minutes=1)
        )
        return "paid"


@workflow.defn
class CarelessOrder:
    """Charges without."""

    @workflow.run
    async def run(self, charge: Charge) -> str:
        await workflow.execute_activity_method(
            Payments.charge_each_time, charge, start_to_close_timeout=timedelta(minutes=1)
        )
        return "paid"
