"""Hypothesis tests that use `sim`: every example has its own, and plans of faults happen in it."""

from __future__ import annotations

import pytest

_SHOP = """
import asyncio
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from temporalio import activity, workflow

import timeskip
from timeskip.fuzzing import FaultPlan, fault_plans


@workflow.defn(sandboxed=False)
class Order:
    @workflow.run
    async def run(self, order: str) -> str:
        receipt = await workflow.execute_activity(
            "charge_card", order, start_to_close_timeout=timedelta(minutes=1)
        )
        await asyncio.sleep(60)
        return receipt


@pytest.fixture
def charges():
    return []


async def play(sim, charges, *, careful=True):
    @activity.defn
    async def charge_card(order: str) -> str:
        if order not in charges or not careful:
            charges.append(order)
        return "receipt"

    async with sim.worker(workflows=[Order], activities=[charge_card]):
        return await sim.client.execute_workflow(
            Order.run, "o-1", id="order-1", task_queue=sim.task_queue
        )


few = settings(max_examples=10, database=None, derandomize=True)
"""

_STYLES = """
@pytest.fixture
def anyio_backend():
    return "asyncio"


@few
@given(plan=fault_plans(max_kills=3))
async def test_under_no_plugin(sim, charges, plan):
    assert await play(sim, charges) == "receipt"
    assert charges == ["o-1"]


@pytest.mark.asyncio
@few
@given(fault_plans())
async def test_under_asyncio(sim, charges, plan):
    assert await play(sim, charges) == "receipt"
    assert charges == ["o-1"]


@pytest.mark.anyio
@given(plan=fault_plans())
@few
async def test_under_anyio(sim, charges, plan):
    assert await play(sim, charges) == "receipt"
    assert charges == ["o-1"]


@few
@given(plan=fault_plans())
def test_plain(sim, charges, tmp_path, plan):
    assert not list(tmp_path.iterdir())
    (tmp_path / "used").touch()
    assert sim.run(play(sim, charges)) == "receipt"
    assert charges == ["o-1"]


class TestShop:
    @pytest.mark.parametrize("careful", [True])
    @few
    @given(plan=fault_plans())
    async def test_method(self, sim, charges, careful, plan):
        assert not vars(self)
        self.used = True
        assert await play(sim, charges, careful=careful) == "receipt"
        assert charges == ["o-1"]


@few
@given(minutes=st.integers(1, 9))
async def test_without_plans(sim, charges, minutes):
    await play(sim, charges)
    await sim.sleep(timedelta(minutes=minutes))
    assert sim.elapsed == timedelta(minutes=minutes + 1)
    assert charges == ["o-1"]


@few
@given(data=st.data())
async def test_skips(sim, data):
    pytest.skip("not today")
"""

_CARELESS = """
@settings(derandomize=True{database})
@given(plan=fault_plans(max_kills=3))
async def test_order(sim, charges, plan):
    print("with", len(charges), "charges")
    assert await play(sim, charges, careful=False) == "receipt"
    assert charges == ["o-1"]
"""

_PLAN = "kill-worker at activity:charge_card#1:before-report"


@pytest.mark.parametrize("mode", ["strict", pytest.param("auto", marks=pytest.mark.slow)])
def test_every_example_has_fixtures_of_its_own(project: pytest.Pytester, mode: str) -> None:
    project.makepyfile(test_shop=_SHOP + _STYLES)
    result = project.runpytest_subprocess(f"--asyncio-mode={mode}", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=6, skipped=1)


def test_failure_is_the_smallest_and_can_be_repeated(project: pytest.Pytester) -> None:
    project.makepyfile(test_shop=_SHOP + _CARELESS.format(database=""))
    result = project.runpytest_subprocess("--hypothesis-show-statistics")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "    async def test_order(sim, charges, plan):",
            '>       assert charges == [[]"o-1"]',
            "E       AssertionError: assert [[]'o-1', 'o-1'] == [[]'o-1']",
            f"E*plan=FaultPlan(line='{_PLAN}'),",
            f"*--timeskip-faults='{_PLAN}'",
            "*Stopped because nothing left to do",
        ]
    )
    assert "_callers.py" not in str(result.stdout)
    assert str(result.stdout).splitlines().count("with 0 charges") == 1


@pytest.mark.slow
def test_plan_of_the_option_is_the_only_one(project: pytest.Pytester) -> None:
    project.makepyfile(test_shop=_SHOP + _CARELESS.format(database=""))
    project.runpytest_subprocess(f"--timeskip-faults={_PLAN}").assert_outcomes(failed=1)
    project.runpytest_subprocess(
        "--timeskip-faults=evict-workflow at sticky-cache:order-1:2"
    ).assert_outcomes(passed=1)
    result = project.runpytest_subprocess("--timeskip-faults=kill-worker at activity:ship")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a fault never happened: kill-worker at activity:ship"])


@pytest.mark.slow
def test_other_arguments_have_a_run_without_faults_each(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_shop=_SHOP
        + """
@settings(max_examples=30, derandomize=True, database=None)
@given(amount=st.integers(1, 100), plan=fault_plans("activity", max_losses=0, max_delays=0))
@example(amount=1, plan=FaultPlan("kill-worker at workflow-task:order-1:1"))
async def test_order(sim, charges, amount, plan):
    charges.append(amount)
    assert await play(sim, charges, careful=False) == "receipt"
    assert len(charges) == 2
"""
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E*amount=1,*", f"E*Draw 1 (plan): FaultPlan(line='{_PLAN}')", f"*-faults='{_PLAN}'"]
    )


@pytest.mark.slow
def test_workflow_has_to_end_as_without_faults(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_shop=_SHOP
        + """
async def play_and_count(sim):
    @activity.defn
    async def charge_card(order: str) -> str:
        return f"receipt {activity.info().attempt}"

    async with sim.worker(workflows=[Order], activities=[charge_card]):
        return await sim.client.execute_workflow(
            Order.run, "o-1", id="order-1", task_queue=sim.task_queue
        )


@settings(derandomize=True, database=None)
@given(plan=fault_plans("activity", max_losses=0, max_delays=0, max_errors=0))
async def test_order(sim, plan):
    await play_and_count(sim)


@few
@given(plan=fault_plans("activity", same_results=False))
async def test_with_other_results(sim, plan):
    await play_and_count(sim)
"""
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Workflow 'order-1' ended otherwise than without the crash.",
            '*actual:   "receipt 2"',
            "*--timeskip-faults='kill-worker at activity:charge_card#1:before-start'",
        ]
    )


@pytest.mark.slow
def test_what_makes_no_sense_is_told(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_nested=_SHOP
        + "@given(st.tuples(fault_plans()))\nasync def test_nested(sim, plans):\n    pass\n"
        + "@given(fault_plans())\ndef test_without_sim(plan):\n    pass\n",
        test_swept=_SHOP
        + "@pytest.mark.crash_sweep\n@given(fault_plans())\nasync def test_both(sim, plan):\n"
        + "    pass\n",
    )
    result = project.runpytest_subprocess("--continue-on-collection-errors")
    result.assert_outcomes(failed=2, errors=1)
    result.stdout.fnmatch_lines(["*fault_plans(...) has to be an argument of `@given` itself*"] * 2)
    result.stdout.fnmatch_lines(["*test_both: a test cannot have both crash_sweep and @given*"])


@pytest.mark.slow
def test_test_that_fails_without_faults_fails_at_once(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_shop=_SHOP
        + """
@given(plan=fault_plans())
async def test_order(sim, charges, plan):
    print("played")
    assert await play(sim, charges) == "a cake"
"""
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    assert str(result.stdout).count("\nplayed") == 1
    assert "Failing test case" not in str(result.stdout)


def test_sandboxed_workflow_may_stand_beside_its_test(project: pytest.Pytester) -> None:
    """The sandbox imports the module anew, and with it a test of Hypothesis, while that is run."""
    module = _SHOP.replace("@workflow.defn(sandboxed=False)", "@workflow.defn")
    project.makepyfile(
        test_shop=module
        + """
@settings(few, max_examples=2)
@given(plan=fault_plans())
async def test_order(sim, charges, plan):
    assert await play(sim, charges) == "receipt"
"""
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)
