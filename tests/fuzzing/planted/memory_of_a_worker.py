"""What was done is remembered in the memory of a worker.

It dies with it, and the next one does it again. The twin asks the mail server, which knows the message by
its id.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import activity, workflow

from timeskip import Ledger, Simulation

MINUTE = timedelta(minutes=1)


class Mailer:
    def __init__(self) -> None:
        self._sent: set[str] = set()

    @activity.defn
    async def mail_unless_remembered(self, message: str) -> None:
        if message not in self._sent:
            self._sent.add(message)
            Ledger.of_test().record("mail")

    @activity.defn
    async def mail_under_an_id(self, message: str) -> None:
        Ledger.of_test().record("mail", key=message)


@workflow.defn(sandboxed=False)
class Newsletter:
    @workflow.run
    async def run(self, mail: str) -> str:
        await workflow.execute_activity(mail, "issue 7", start_to_close_timeout=MINUTE)
        return "sent"


async def play(sim: Simulation, mail: str) -> None:
    def activities() -> dict[str, object]:
        mailer = Mailer()
        return {"activities": [mailer.mail_unless_remembered, mailer.mail_under_an_id]}

    async with sim.worker(workflows=[Newsletter], fresh=activities):
        await sim.client.execute_workflow(
            Newsletter.run, mail, id="newsletter-1", task_queue=sim.task_queue
        )


@pytest.mark.crash_sweep
async def test_bug(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, "mail_unless_remembered")
    assert ledger.count("mail") == 1


@pytest.mark.crash_sweep
async def test_twin(sim: Simulation, ledger: Ledger) -> None:
    await play(sim, "mail_under_an_id")
    assert ledger.count("mail") == 1
