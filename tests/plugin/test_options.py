"""Markers, options and ini settings of the plugin."""

from __future__ import annotations

import pytest


def test_the_marker_gives_options_to_the_simulation(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from datetime import datetime, timezone
        import pytest

        PAST = datetime(2001, 2, 3, tzinfo=timezone.utc)
        pytestmark = pytest.mark.timeskip(start_time=PAST, task_queue="of-the-module")

        def test_inherits(sim):
            assert sim.now == PAST
            assert sim.task_queue == "of-the-module"

        @pytest.mark.timeskip(task_queue="of-the-test")
        def test_the_nearest_wins(sim):
            assert sim.now == PAST
            assert sim.task_queue == "of-the-test"
        """
    )
    project.runpytest_subprocess("--strict-markers").assert_outcomes(passed=2)


def test_an_unknown_option_of_the_marker_is_an_error(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.timeskip(start_tiem=1)
        def test_misspelt(sim): ...
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*start_tiem*"])


def test_the_command_line_wins_over_the_ini_file(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\ntimeskip_seed = 3\n")
    project.makepyfile("def test_seed(sim):\n    assert sim.seed == 3\n")
    project.runpytest_subprocess().assert_outcomes(passed=1)
    project.runpytest_subprocess("--timeskip-seed=4").assert_outcomes(failed=1)


@pytest.mark.parametrize(("setting", "is_frozen"), [("true", True), ("false", False)])
def test_clocks_of_a_test_show_virtual_time_unless_told_not_to(
    project: pytest.Pytester, setting: str, is_frozen: bool
) -> None:
    project.makeini(f"[pytest]\ntimeskip_frozen_time = {setting}\n")
    project.makepyfile(
        f"""
        import datetime, time
        import pytest

        PAST = datetime.datetime(2001, 2, 3, tzinfo=datetime.timezone.utc)

        @pytest.mark.timeskip(start_time=PAST)
        def test_clock(sim):
            shown = datetime.datetime.now(datetime.timezone.utc) == PAST
            assert shown is {is_frozen}
            assert (time.time() == PAST.timestamp()) is {is_frozen}
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)


BLOCKING = """
import asyncio
import threading
from datetime import timedelta
import pytest
from temporalio import activity, workflow
from timeskip import SimulationStalled, TooManyAttempts

@activity.defn
def block() -> None:
    threading.Event().wait()

@activity.defn
async def fail() -> None:
    raise ValueError("no")

@workflow.defn(sandboxed=False)
class Calls:
    @workflow.run
    async def run(self, name: str) -> None:
        await workflow.execute_activity(name, start_to_close_timeout=timedelta(days=1))

async def call(sim, name):
    async with sim.worker(workflows=[Calls], activities=[block, fail]):
        await sim.client.execute_workflow(Calls.run, name, id="calls", task_queue=sim.task_queue)
"""


def test_the_ini_file_says_how_patient_simulations_are(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\ntimeskip_stall_timeout = 0.3\ntimeskip_max_activity_attempts = 4\n")
    project.makepyfile(
        BLOCKING
        + """
async def test_blocks(sim):
    with pytest.raises(SimulationStalled, match="for 0.3 seconds of real time"):
        await call(sim, "block")

async def test_fails(sim):
    with pytest.raises(TooManyAttempts, match="failed 4 times in a row"):
        await call(sim, "fail")
"""
    )
    project.runpytest_subprocess().assert_outcomes(passed=2)


def test_nothing_takes_too_long_while_a_debugger_is_open(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\ntimeskip_stall_timeout = 0.1\n")
    project.makepyfile(
        BLOCKING
        + """
async def test_blocks(sim, request):
    hooks = request.config.hook
    hooks.pytest_enter_pdb(config=request.config, pdb=None)
    waiting = asyncio.create_task(call(sim, "block"))
    done, _ = await asyncio.wait([waiting], timeout=1)
    assert not done
    hooks.pytest_leave_pdb(config=request.config, pdb=None)
    with pytest.raises(SimulationStalled):
        await waiting
"""
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize("setting", ["timeskip_stall_timeout = soon", "timeskip_seed = 1.5"])
def test_a_setting_that_is_no_number_is_an_error(project: pytest.Pytester, setting: str) -> None:
    project.makeini(f"[pytest]\n{setting}\n")
    project.makepyfile("def test_nothing(sim): ...")
    result = project.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{setting.split()[0]} = *: a number is needed*"])


def test_the_options_are_in_the_help(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--help")
    result.stdout.fnmatch_lines(["*--timeskip-lane=*", "*--timeskip-seed=N*", "*timeskip_lane*"])


def test_a_lane_that_does_not_exist_is_refused(project: pytest.Pytester) -> None:
    project.makepyfile("def test_nothing(): ...")
    result = project.runpytest_subprocess("--timeskip-lane=fast")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--timeskip-lane*invalid choice*fast*"])
