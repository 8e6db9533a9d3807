"""Sweeps: a test for each place at which a worker can die."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import timeskip

# These are run in this process, where a plugin is not imported anew.
pytestmark = pytest.mark.filterwarnings("ignore:Module already imported")


@pytest.fixture(autouse=True)
def installed_again() -> Iterator[None]:
    """A pytest that ends takes back what that of this test needs as well."""
    yield
    timeskip.install()


_WORKFLOW = """
import asyncio
import pytest
import pytest_asyncio
import unittest
from datetime import timedelta
from temporalio import activity, workflow

charges = []


@activity.defn
async def charge_card(order: str) -> str:
    {guard}
    charges.append(order)
    return "receipt"


@workflow.defn(sandboxed=False)
class Order:
    @workflow.run
    async def run(self, order: str) -> str:
        receipt = await workflow.execute_activity(
            charge_card, order, start_to_close_timeout=timedelta(minutes=1)
        )
        await asyncio.sleep(60)
        return receipt


@pytest.fixture(autouse=True)
def nothing_is_charged():
    charges.clear()


async def play(sim):
    async with sim.worker(workflows=[Order], activities=[charge_card]):
        return await sim.client.execute_workflow(
            Order.run, "o-1", id="order-1", task_queue=sim.task_queue
        )
"""

_IDEMPOTENT = "if order in charges: return 'receipt'"
_NAIVE = "pass"

_TEST = """
@pytest.mark.crash_sweep{marker}
async def test_order(sim):
    assert await play(sim) == "receipt"
    assert charges == ["o-1"]
"""

_PLAYED = """
@pytest.mark.crash_sweep{marker}
async def test_order(sim):
    await play(sim)
"""

_ALL_STYLES = """
pytestmark = pytest.mark.crash_sweep("activity")


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
async def test_under_anyio(sim, anyio_backend_name):
    await play(sim)


@pytest.mark.asyncio
async def test_under_asyncio(sim):
    await play(sim)


async def test_under_no_plugin(sim):
    await play(sim)


def test_plain(sim):
    sim.run(play(sim))


class TestShop:
    @pytest.mark.asyncio
    async def test_method(self, sim):
        assert not vars(self)
        self.used = True
        await play(sim)


@pytest_asyncio.fixture
async def worker(sim):
    async with sim.worker(workflows=[Order], activities=[charge_card]) as worker:
        yield worker


@pytest.mark.asyncio
async def test_with_async_fixture(sim, worker):
    await sim.client.execute_workflow(Order.run, "o-1", id="order-1", task_queue=sim.task_queue)


class TestOfUnittest(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def give_simulation(self, sim):
        self.sim = sim

    def setUp(self):
        self.used = False

    def test_method(self):
        assert not self.used
        self.used = True
        self.sim.run(play(self.sim))


class TestOfAsyncUnittest(unittest.IsolatedAsyncioTestCase):
    @pytest.fixture(autouse=True)
    def give_simulation(self, sim):
        self.sim = sim

    async def test_method(self):
        await play(self.sim)
"""

_CHARGED_TWICE = "test_order[[]activity:charge_card#1:before-report]"


def write(
    project: pytest.Pytester, guard: str = _IDEMPOTENT, marker: str = "", test: str = _TEST
) -> None:
    project.makepyfile(test_shop=_WORKFLOW.format(guard=guard) + test.format(marker=marker))


@pytest.mark.parametrize("lane", ["direct", pytest.param("wire", marks=pytest.mark.slow)])
def test_sweep_goes_through_every_place(project: pytest.Pytester, lane: str) -> None:
    write(project)
    result = project.runpytest_inprocess("-v", "-p", "no:xdist", f"--timeskip-lane={lane}")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*::test_order[[]server-restart:1] PASSED*"])
    result.stdout.fnmatch_lines(
        [
            "test_shop.py::test_order PASSED*",
            "test_shop.py::test_order[[]workflow-task:order-1:1:before-report] PASSED*",
            f"test_shop.py::{_CHARGED_TWICE} PASSED*",
            "test_shop.py::test_order[[]*] PASSED*100%*",
        ]
    )


def test_worker_that_dies_before_its_report_charges_twice(project: pytest.Pytester) -> None:
    write(project, _NAIVE, '("activity")')
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*assert [[]'o-1', 'o-1'] == [[]'o-1']",
            "*--timeskip-faults='kill-worker at activity:order-1/charge_card#1:before-report'",
            f"FAILED test_shop.py::{_CHARGED_TWICE}*",
        ]
    )


_ONE = "test_shop.py::test_order[activity:charge_card#1:before-report]"


def test_one_place_is_run_again_by_its_id(project: pytest.Pytester) -> None:
    write(project, _NAIVE)
    result = project.runpytest_inprocess(_ONE)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"FAILED test_shop.py::{_CHARGED_TWICE}*"])


@pytest.mark.slow
def test_one_place_is_run_again_by_its_id_under_xdist(project: pytest.Pytester) -> None:
    write(project, _NAIVE)
    project.runpytest_subprocess(_ONE, "-n", "2").assert_outcomes(failed=1)


def test_last_failed_places_are_run_again(project: pytest.Pytester) -> None:
    write(project, _NAIVE, '("activity")')
    project.runpytest_inprocess().assert_outcomes(passed=2, failed=1)
    write(project, _IDEMPOTENT, '("activity")')
    project.runpytest_inprocess("--lf").assert_outcomes(passed=1)


@pytest.mark.slow
def test_unittest_is_run_again_by_id(project: pytest.Pytester) -> None:
    write(project, test=_ALL_STYLES)
    point = "activity:charge_card#1:before-start"
    result = project.runpytest_inprocess(
        "-v", f"test_shop.py::TestOfUnittest::test_method[{point}]"
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*::TestOfUnittest::test_method[[]{point}] PASSED*"])


def test_failure_of_a_unittest_is_that_of_its_place(project: pytest.Pytester) -> None:
    write(
        project,
        _NAIVE,
        test=(
            "\nclass TestShop(unittest.TestCase):\n"
            "    @pytest.fixture(autouse=True)\n"
            "    def give_simulation(self, sim):\n        self.sim = sim\n"
            "    @pytest.mark.crash_sweep('activity')\n    def test_order(self):\n"
            "        self.sim.run(play(self.sim))\n        self.assertEqual(charges, ['o-1'])\n"
        ),
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines([f"FAILED test_shop.py::TestShop::{_CHARGED_TWICE}*"])


def test_failure_that_is_expected_at_a_place(project: pytest.Pytester) -> None:
    write(
        project,
        _NAIVE,
        '("activity", xfail={"activity:charge_card#1:before-report": "not idempotent yet"})',
    )
    result = project.runpytest_inprocess("-rx")
    result.assert_outcomes(passed=2, xfailed=1)
    result.stdout.fnmatch_lines([f"XFAIL test_shop.py::{_CHARGED_TWICE} - not idempotent yet*"])
    project.runpytest_inprocess(_ONE).assert_outcomes(xfailed=1)


def test_failure_is_expected_at_a_place_that_is_gone(project: pytest.Pytester) -> None:
    write(project, marker='("activity", xfail={"activity:charge#1": "not idempotent yet"})')
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*there is no crash point activity:charge#1, at which*", "*  activity:charge_card#1:*"]
    )


def test_test_that_is_not_the_same_every_time_is_told_so(project: pytest.Pytester) -> None:
    _write_changing(project, "async def")
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        ["*did not come by activity:charge_card#1:before-start, as the run without a crash did*"]
    )


def test_place_that_threads_decide_about_may_be_missed(project: pytest.Pytester) -> None:
    _write_changing(project, "def")
    result = project.runpytest_inprocess("-rs")
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED *this time it did not come by activity:charge_card#1*"])


def _write_changing(project: pytest.Pytester, define: str) -> None:
    """A test that plays something else from the second time on, with activities of that kind."""
    project.makepyfile(
        test_shop=f"""
import os
import pytest
from datetime import timedelta
from temporalio import activity, workflow


@activity.defn
{define} charge_card() -> None:
    pass


@activity.defn
{define} pack() -> None:
    pass


@workflow.defn(sandboxed=False)
class Order:
    @workflow.run
    async def run(self, name: str) -> None:
        await workflow.execute_activity(name, start_to_close_timeout=timedelta(minutes=1))


@pytest.mark.crash_sweep("activity:charge_card")
async def test_order(sim):
    name = "pack" if os.path.exists("changed") else "charge_card"
    open("changed", "w").close()
    async with sim.worker(workflows=[Order], activities=[charge_card, pack]):
        await sim.client.execute_workflow(Order.run, name, id="o", task_queue=sim.task_queue)
"""
    )


def test_place_that_is_gone_names_those_that_are_like_it(project: pytest.Pytester) -> None:
    write(project)
    result = project.runpytest_inprocess(
        "test_shop.py::test_order[activity:charge#1:before-report]"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*there is no crash point activity:charge#1:before-report*", "*  activity:charge_card#1:*"]
    )


def test_sweep_ends_at_the_first_failure_if_asked_to(project: pytest.Pytester) -> None:
    write(project, _NAIVE, '("activity", "sticky-cache")')
    result = project.runpytest_inprocess("-x")
    result.assert_outcomes(passed=3, failed=1)


def test_sweeps_are_reported_one_by_one_under_xdist(project: pytest.Pytester) -> None:
    write(project, _NAIVE, '("activity")')
    result = project.runpytest_subprocess("-n", "1", "-v")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines([f"*FAILED*{_CHARGED_TWICE}*"])


def test_line_selects_places(project: pytest.Pytester) -> None:
    write(project)
    lines = (project.path / "test_shop.py").read_text().splitlines()
    called = 1 + next(number for number, line in enumerate(lines) if "execute_activity" in line)
    result = project.runpytest_inprocess(
        "-v", f"--timeskip-sweep=line=test_shop.py:{called}-{called + 1}"
    )
    result.assert_outcomes(passed=1 + 2 + 2)
    result.stdout.fnmatch_lines(
        [
            "*[[]workflow-task:order-1:1:before-report] PASSED*",
            "*[[]workflow-task:order-1:1:after-report] PASSED*",
            "*[[]activity:charge_card#1:before-start] PASSED*",
            "*[[]activity:charge_card#1:before-report] PASSED*",
        ]
    )


def test_marker_that_selects_nothing_is_a_failure(project: pytest.Pytester) -> None:
    write(project, marker='("activity:ship")')
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*there is no crash point for the sweep in:"])


def test_workflow_that_ends_otherwise_fails_the_sweep(project: pytest.Pytester) -> None:
    write(
        project,
        "if charges: return 'charged before'",
        '("activity")',
        _PLAYED,
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Workflow 'order-1' ended otherwise than without the crash.",
            '*expected: "receipt"',
            '*actual:   "charged before"',
        ]
    )


def test_history_that_only_a_crash_leaves_is_replayed(project: pytest.Pytester) -> None:
    write(project, "if activity.info().attempt > 1: return 'again'", '("activity")', _PLAYED)
    module = project.path / "test_shop.py"
    module.write_text(
        module.read_text().replace(
            "        return receipt",
            "        if receipt == 'again' and 'slept' not in charges:\n"
            "            charges.append('slept')\n"
            "            await asyncio.sleep(1)\n"
            "        return 'receipt'",
        )
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*Order.run*"])


def test_parametrised_test_has_a_sweep_for_each(project: pytest.Pytester) -> None:
    write(
        project,
        test=(
            "\n@pytest.mark.crash_sweep('activity')\n@pytest.mark.parametrize('n', [1, 2])\n"
            "async def test_order(sim, n):\n    await play(sim)\n"
        ),
    )
    result = project.runpytest_inprocess("-v")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*::test_order[[]2-activity:charge_card#1:before-start] PASSED*"])
    project.runpytest_inprocess(
        "test_shop.py::test_order[2-activity:charge_card#1:before-start]"
    ).assert_outcomes(passed=1)


def test_fixtures_of_the_module_are_set_up_once(project: pytest.Pytester) -> None:
    write(
        project,
        test=(
            "\nset_up = []\n@pytest.fixture(scope='module', autouse=True)\ndef module():\n"
            "    set_up.append(1)\n    yield\n    assert set_up == [1]\n\n"
            "@pytest.mark.crash_sweep('activity')\nasync def test_order(sim):\n    await play(sim)\n"
            "\ndef test_after():\n    pass\n"
        ),
    )
    project.makepyfile(test_zoo="def test_zoo():\n    pass\n")
    project.runpytest_inprocess().assert_outcomes(passed=5)


def test_plan_on_the_command_line_is_played_alone(project: pytest.Pytester) -> None:
    write(project)
    project.runpytest_inprocess(
        "--timeskip-faults=kill-worker at activity:charge_card#1:before-report"
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize("test", ["", "::test_order[activity:charge_card#1:{}]"])
@pytest.mark.parametrize("moment", ["before-start", "before-report"])
def test_plan_on_the_command_line_must_end_as_the_sweep_does(
    project: pytest.Pytester, test: str, moment: str
) -> None:
    write(project, guard="if charges: return 'another receipt'", test=_PLAYED.format(marker=""))
    result = project.runpytest_inprocess(
        f"--timeskip-faults=kill-worker at activity:charge_card#1:{moment}",
        f"test_shop.py{test.format(moment)}",
    )
    if moment == "before-start":
        result.assert_outcomes(passed=1)
    else:
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            ["*Workflow 'order-1' ended otherwise than without the crash.*"]
        )


def test_plan_on_the_command_line_that_is_no_crash_is_checked(project: pytest.Pytester) -> None:
    write(project, guard="if charges: return 'another receipt'", test=_PLAYED.format(marker=""))
    plan = "delay-response at activity:charge_card#1:before-report by=5m"
    project.runpytest_inprocess(f"--timeskip-faults={plan}").assert_outcomes(failed=1)


def test_baseline_of_a_plan_on_the_command_line_must_pass(project: pytest.Pytester) -> None:
    write(project, guard="raise ValueError('no card')")
    result = project.runpytest_inprocess("--timeskip-faults=kill-worker at activity:charge_card")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no card*"])


def test_sweep_needs_a_simulation(project: pytest.Pytester) -> None:
    write(project, test="\n@pytest.mark.crash_sweep\ndef test_nothing():\n    pass\n")
    result = project.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*crash_sweep needs the fixture `sim`*"])


def test_option_that_makes_no_sense_is_told(project: pytest.Pytester) -> None:
    write(project)
    result = project.runpytest_inprocess("--timeskip-sweep=task=3")
    result.stderr.fnmatch_lines(["ERROR: --timeskip-sweep: *"])


def test_sweep_of_a_test_that_fails_anyway_is_not_made(project: pytest.Pytester) -> None:
    write(
        project, test="\n@pytest.mark.crash_sweep\nasync def test_fails(sim):\n    assert False\n"
    )
    project.runpytest_inprocess().assert_outcomes(failed=1)
    result = project.runpytest_inprocess("test_shop.py::test_fails[activity:charge_card#1]")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED test_shop.py::test_fails - assert False"])


def test_option_selects_places(project: pytest.Pytester) -> None:
    write(project)
    other = (project.path / "test_shop.py").read_text().replace("Order", "Other")
    project.makepyfile(test_other=other)
    project.runpytest_inprocess(
        "--timeskip-sweep=workflow=Order activity:charge_card"
    ).assert_outcomes(passed=3 + 1)


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_tests_of_all_styles_are_swept(project: pytest.Pytester, mode: str) -> None:
    write(project, test=_ALL_STYLES)
    project.runpytest_inprocess(f"--asyncio-mode={mode}").assert_outcomes(passed=8 * 3)


def test_markers_that_make_no_sense_are_told(project: pytest.Pytester) -> None:
    for number, marker in enumerate(
        ("'activty'", "line='test_shop.py'", "same_result=True", "xfail={'activty': 'known'}")
    ):
        project.makepyfile(
            **{
                f"test_{number}": (
                    f"import pytest\n@pytest.mark.crash_sweep({marker})\n"
                    "def test_order(sim):\n    pass\n"
                )
            }
        )
    result = project.runpytest_inprocess()
    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(["test_order: crash_sweep: *"] * 4)
