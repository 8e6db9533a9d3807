"""Runs that a test leaves behind are replayed as a part of the test, unless it is switched off."""

from __future__ import annotations

import pytest

_TESTS = """
import pytest
from temporalio import workflow

begun = []

@workflow.defn(sandboxed=False)
class Forgetful:
    @workflow.run
    async def run(self) -> None:
        begun.append(self)
        await workflow.sleep(1 if len(begun) % 2 else 2)
        if len(begun) % 2:
            await workflow.sleep(3)

async def use(sim):
    begun.clear()
    async with sim.worker(workflows=[Forgetful]):
        await sim.client.execute_workflow(Forgetful.run, id="f", task_queue=sim.task_queue)

async def test_checked(sim):
    await use(sim)

@pytest.mark.timeskip(auto_replay=False)
async def test_not_checked(sim):
    await use(sim)

@pytest.mark.xfail(strict=True)
async def test_expected(sim):
    await use(sim)

def test_synchronous(sim):
    sim.run(use(sim))

async def test_fails_anyway(sim):
    await use(sim)
    assert begun == 1

class TestOfOneClass:
    @pytest.fixture
    def left(self, sim):
        sim.run(use(sim))

    async def test_checked_though_a_fixture_did_it(self, left):
        pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_replays=_TESTS)
    return pytester


def test_a_workflow_that_is_not_deterministic_fails_its_test(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--timeskip-lane=direct")
    result.assert_outcomes(passed=1, xfailed=1, failed=4)
    result.stdout.fnmatch_lines(
        [
            "*test_checked*",
            "workflow 'f' (Forgetful) is not deterministic:",
            "  replayed  end of the workflow",
            "*> * if len(begun) % 2:",
            "Likely cause: state outside of the workflow",
            "*`begun` of module test_replays has changed meanwhile*at test_replays.py:12 in *",
        ]
    )
    result.stdout.no_fnmatch_line("*require_replays*")


@pytest.mark.parametrize("how", ["option", "setting"])
def test_replays_can_be_switched_off_for_all(project: pytest.Pytester, how: str) -> None:
    arguments = ["--timeskip-lane=direct"]
    if how == "option":
        arguments.append("--timeskip-auto-replay=no")
    else:
        project.makeini("[pytest]\ntimeskip_auto_replay = false")
    result = project.runpytest_subprocess(*arguments)
    # Strict: a test that was to fail and does not.
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.no_fnmatch_line("*is not deterministic*")


_WIDER = """
import pytest
import timeskip
from test_replays import Forgetful, begun

@pytest.fixture(scope="module")
def shared():
    with timeskip.Simulation() as simulation:
        yield simulation

@pytest.fixture
def own():
    with timeskip.Simulation() as simulation:
        yield simulation

async def use(simulation, name):
    begun.clear()
    async with simulation.worker(workflows=[Forgetful]):
        await simulation.client.execute_workflow(
            Forgetful.run, id=name, task_queue=simulation.task_queue
        )

async def test_shared(shared):
    await use(shared, "first")

async def test_shared_fails_anyway(shared):
    await use(shared, "second")
    assert begun == 1

async def test_innocent(shared):
    pass

@pytest.mark.timeskip(auto_replay=False)
async def test_not_checked():
    async with timeskip.Simulation() as simulation:
        await use(simulation, "third")

async def test_own(own):
    await use(own, "fourth")
"""


def test_run_in_a_simulation_that_outlasts_its_test_fails_the_test_that_has_left_it(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(test_wider=_WIDER)
    project.makeini(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    result = project.runpytest_subprocess("test_wider.py")
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(
        [
            "FAILED test_wider.py::test_shared - * workflow 'first' *",
            "FAILED test_wider.py::test_shared_fails_anyway - assert *",
            "FAILED test_wider.py::test_own - * workflow 'fourth' *",
        ]
    )
    off = project.runpytest_subprocess("test_wider.py", "--timeskip-auto-replay=no")
    off.assert_outcomes(passed=4, failed=1)
