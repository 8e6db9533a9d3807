from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from examples.approval.activities import Message, send_message
    from examples.approval.models import Decision, Expense, Outcome

REMIND_AFTER = timedelta(days=5)
EXPIRE_AFTER = timedelta(days=7)


@workflow.defn
class ApprovalWorkflow:
    """Asks for a decision, reminds after five days, gives up after seven, tells the employee."""

    def __init__(self) -> None:
        self._decision: Decision | None = None

    @workflow.run
    async def run(self, expense: Expense) -> Outcome:
        await self._tell(expense.approver, f"Please decide about expense {expense.id}")
        await self._wait_for_decision(REMIND_AFTER)
        if self._decision is None:
            await self._tell(expense.approver, f"Expense {expense.id} still waits for you")
            await self._wait_for_decision(EXPIRE_AFTER - REMIND_AFTER)
        outcome = self._outcome()
        await self._tell(expense.employee, f"Expense {expense.id}: {outcome}")
        return outcome

    @workflow.signal
    def decide(self, decision: Decision) -> None:
        # The first decision counts: a second click changes nothing.
        if self._decision is None:
            self._decision = decision

    def _outcome(self) -> Outcome:
        if self._decision is None:
            return "expired"
        return "approved" if self._decision.approved else "rejected"

    async def _wait_for_decision(self, period: timedelta) -> None:
        with suppress(asyncio.TimeoutError):
            await workflow.wait_condition(lambda: self._decision is not None, timeout=period)

    async def _tell(self, recipient: str, text: str) -> None:
        await workflow.execute_activity(
            send_message,
            Message(recipient, text),
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=10)),
        )
