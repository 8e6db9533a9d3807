from __future__ import annotations

from datetime import timedelta

import pytest

from examples.loan.service import REVIEW_TAKES, Applicant, CreditServiceHandler, Review
from examples.loan.workflows import ENDPOINT, LoanWorkflow
from timeskip import Ledger, Simulation

ADA = Applicant("ada", income_cents=1_000_00)


async def apply(sim: Simulation, ledger: Ledger, amount_cents: int) -> bool:
    await sim.create_nexus_endpoint(ENDPOINT, "credit-team")
    async with (
        sim.worker(workflows=[LoanWorkflow]),
        sim.worker(
            task_queue="credit-team",
            workflows=[Review],
            nexus_service_handlers=[CreditServiceHandler(ledger)],
        ),
    ):
        return await sim.client.execute_workflow(
            LoanWorkflow.run, args=[ADA, amount_cents], id="loan-ada", task_queue=sim.task_queue
        )


async def test_small_loan_is_granted_at_once(sim: Simulation, ledger: Ledger) -> None:
    assert await apply(sim, ledger, 500_00)
    assert sim.elapsed == timedelta(0)


async def test_large_loan_waits_for_a_review(sim: Simulation, ledger: Ledger) -> None:
    assert await apply(sim, ledger, 9_000_00)
    assert sim.elapsed == REVIEW_TAKES


@pytest.mark.faults("kill-worker at nexus-task:CreditService/review#1:before-report")
async def test_applicant_is_reviewed_once_if_the_credit_team_forgets_that_it_has_begun(
    sim: Simulation, ledger: Ledger
) -> None:
    assert await apply(sim, ledger, 9_000_00)
    assert ledger.calls("review asked for") == 2
    assert timedelta(0) < sim.elapsed - REVIEW_TAKES < timedelta(minutes=1)


@pytest.mark.crash_sweep
async def test_loan_is_granted_wherever_a_worker_dies(sim: Simulation, ledger: Ledger) -> None:
    assert await apply(sim, ledger, 9_000_00)
