"""The service of the team that knows whom to lend money."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import nexusrpc
import nexusrpc.handler
from temporalio import nexus, workflow

from timeskip import Ledger

REVIEW_TAKES = timedelta(days=3)


@dataclass(frozen=True)
class Applicant:
    id: str
    income_cents: int


@nexusrpc.service
class CreditService:
    limit: nexusrpc.Operation[Applicant, int]
    review: nexusrpc.Operation[Applicant, bool]


@workflow.defn
class Review:
    """Somebody looks at the applicant's papers."""

    @workflow.run
    async def run(self, applicant: Applicant) -> bool:
        await asyncio.sleep(REVIEW_TAKES.total_seconds())
        return applicant.income_cents > 0


@nexusrpc.handler.service_handler(service=CreditService)
class CreditServiceHandler:
    """Answers at once what it can work out, and has a workflow for the rest."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @nexusrpc.handler.sync_operation
    async def limit(self, ctx: nexusrpc.handler.StartOperationContext, applicant: Applicant) -> int:
        return applicant.income_cents * 3

    @nexus.workflow_run_operation
    async def review(
        self, ctx: nexus.WorkflowRunOperationContext, applicant: Applicant
    ) -> nexus.WorkflowHandle[bool]:
        # The same id each time: who asks again gets the review that has begun.
        self._ledger.record("review asked for", key=f"review-{applicant.id}")
        return await ctx.start_workflow(Review.run, applicant, id=f"review-{applicant.id}")
