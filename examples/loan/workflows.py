from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from examples.loan.service import Applicant, CreditService

ENDPOINT = "credit"
PATIENCE = timedelta(days=7)


@workflow.defn
class LoanWorkflow:
    """Lends small amounts at once, and others once the credit team has looked at the applicant."""

    @workflow.run
    async def run(self, applicant: Applicant, amount_cents: int) -> bool:
        credit = workflow.create_nexus_client(service=CreditService, endpoint=ENDPOINT)
        if amount_cents <= await credit.execute_operation(CreditService.limit, applicant):
            return True
        return await credit.execute_operation(
            CreditService.review, applicant, schedule_to_close_timeout=PATIENCE
        )
