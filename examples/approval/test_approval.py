from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import WorkflowHandle

from examples.approval.activities import Message, send_message
from examples.approval.models import Decision, Expense, Outcome
from examples.approval.workflows import EXPIRE_AFTER, REMIND_AFTER, ApprovalWorkflow
from timeskip import Simulation

YES = Decision(approved=True)
NO = Decision(approved=False, comment="Take the train")


async def ask(
    sim: Simulation, expense_id: str = "e-1"
) -> WorkflowHandle[ApprovalWorkflow, Outcome]:
    return await sim.client.start_workflow(
        ApprovalWorkflow.run,
        Expense(id=expense_id, employee="Ada", approver="Grace", amount_cents=120_00),
        id=f"approval-{expense_id}",
        task_queue=sim.task_queue,
    )


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(timedelta(seconds=1), id="after a second"),
        pytest.param(timedelta(days=6, hours=23), id="in the last hour"),
    ],
)
async def test_approval_ends_the_moment_it_is_decided(sim: Simulation, after: timedelta) -> None:
    async with sim.worker(workflows=[ApprovalWorkflow], activities=[send_message]):
        approval = await ask(sim)
        sim.at(after, approval.signal, ApprovalWorkflow.decide, YES)

        assert await approval.result() == "approved"

    assert sim.elapsed == after


async def test_silent_approver_is_reminded_before_the_request_expires(sim: Simulation) -> None:
    sent: list[tuple[timedelta, str]] = []

    @activity.defn(name="send_message")
    async def note_message(message: Message) -> None:
        sent.append((sim.elapsed, message.to))

    async with sim.worker(workflows=[ApprovalWorkflow], activities=[note_message]):
        approval = await ask(sim)

        assert await approval.result() == "expired"

    assert sent == [(timedelta(0), "Grace"), (REMIND_AFTER, "Grace"), (EXPIRE_AFTER, "Ada")]


async def test_first_decision_counts(sim: Simulation) -> None:
    async with sim.worker(workflows=[ApprovalWorkflow], activities=[send_message]):
        approval = await ask(sim)
        await approval.signal(ApprovalWorkflow.decide, NO)
        await approval.signal(ApprovalWorkflow.decide, YES)

        assert await approval.result() == "rejected"


async def test_each_of_many_requests_keeps_its_own_deadline(sim: Simulation) -> None:
    async with sim.worker(workflows=[ApprovalWorkflow], activities=[send_message]):
        approved = await ask(sim, "e-1")
        await sim.sleep(timedelta(days=3))
        rejected = await ask(sim, "e-2")
        forgotten = await ask(sim, "e-3")
        sim.at(timedelta(days=1), approved.signal, ApprovalWorkflow.decide, YES)
        sim.at(timedelta(days=2), rejected.signal, ApprovalWorkflow.decide, NO)

        assert await forgotten.result() == "expired"
        assert await approved.result() == "approved"
        assert await rejected.result() == "rejected"

    assert sim.elapsed == timedelta(days=3) + EXPIRE_AFTER
