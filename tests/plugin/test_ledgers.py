"""The card that is charged twice, because its worker dies between the charge and the report."""

from __future__ import annotations

import pytest

_SHOP = """
import uuid
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from timeskip import Ledger

Order, charge_card = None, None


@activity.defn(name="charge_card")
async def charge_each_time(order: str) -> None:
    Ledger.of_test().record("charge")


@activity.defn(name="charge_card")
async def charge_once(order: str) -> None:
    info = activity.info()
    Ledger.of_test().record("charge", key=f"{info.workflow_run_id}-{info.activity_id}")


@activity.defn(name="charge_card")
async def charge_under_another_key(order: str) -> None:
    Ledger.of_test().record("charge", key=uuid.uuid4(), order=order)


@workflow.defn(sandboxed=False)
class Order:
    @workflow.run
    async def run(self, order: str) -> None:
        await workflow.execute_activity(
            "charge_card", order, start_to_close_timeout=timedelta(minutes=1)
        )


@pytest.fixture(params=[charge_once, charge_each_time, charge_under_another_key])
def charge_card(request):
    return request.param


@pytest.mark.faults("kill-worker at activity:charge_card#1:before-report")
async def test_card_is_charged_once(sim, ledger, charge_card):
    async with sim.worker(workflows=[Order], activities=[charge_card]):
        await sim.client.execute_workflow(Order.run, "o-1", id="o", task_queue=sim.task_queue)
    assert ledger.count("charge") == 1
"""


def test_message_says_why_the_card_was_charged_twice(project: pytest.Pytester) -> None:
    project.makepyfile(test_shop=_SHOP)
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "E*assert 2 == 1",
            "E*'charge':",
            "E*2024-01-01 00:00:00  attempt 1 of charge_card in 'o'",
            "E*2024-01-01 00:01:01  attempt 2 of charge_card in 'o'",
            "E*at activity:charge_card#1:before-report the worker was killed: the code had run *",
            "E*Attempts 1 and 2 of one call of charge_card have each done it:",
            "E*it is not idempotent.*",
            "*- timeline -*",
            '*+0 s ? started *Order "o-1"',
            "* ? attempt *1 of charge_card",
            "* ? killed *at activity:charge_card#1:before-report the*",
            "*+1 min 1 s ? attempt *2 of charge_card",
            "* ? activity *charge_card*",
            "*attempt 1 failed: start-to-close timeout",
            "* ? replay *another worker begins with 9 events",
            "* ? completed",
            "E*assert 2 == 1",
            "E*the key has to be the same in all attempts*",
        ]
    )


@pytest.mark.slow
def test_timelines_can_be_left_out(project: pytest.Pytester) -> None:
    project.makepyfile(test_shop=_SHOP)
    result = project.runpytest_subprocess("--timeskip-timeline=no")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.no_fnmatch_line("*- timeline -*")
