"""Faults from the outside of a test, and what is printed of them."""

from __future__ import annotations

import pytest

_TEST = """
import pytest
from workflows import Sleeper

{marker}
async def test_sleeps(sim):
    async with sim.worker(workflows=[Sleeper]):
        await sim.client.execute_workflow(Sleeper.run, 3600.0, id="s", task_queue=sim.task_queue)
    assert sim.elapsed.total_seconds() == {seconds}
"""


def test_marker_and_option_bring_faults(project: pytest.Pytester) -> None:
    project.makepyfile(
        _TEST.format(
            marker='@pytest.mark.faults("kill-worker at workflow-task:s:1:before-report")',
            seconds=3620,
        )
    )
    result = project.runpytest_subprocess(
        "--strict-markers", "--timeskip-faults=kill-worker at workflow-task:s:2:before-report"
    )
    result.assert_outcomes(passed=1)


def test_failure_prints_the_faults_to_repeat_it_with(project: pytest.Pytester) -> None:
    project.makepyfile(
        _TEST.format(
            marker='@pytest.mark.faults("kill-worker at workflow-task:s:1:before-report")',
            seconds=0,
        )
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*--timeskip-faults='kill-worker at workflow-task:s:1:before-report'"]
    )


def test_fault_that_never_happens_fails_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        _TEST.format(
            marker='@pytest.mark.faults("kill-worker at workflow-task:s:9:before-report")',
            seconds=3600,
        )
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*a fault never happened: kill-worker at workflow-task:s:9:before-report",
            "*Nearest to that are:",
            "*  workflow-task:s:?:before-report",
        ]
    )


@pytest.mark.parametrize("options", [(), ("-n", "1")])
def test_crash_points_are_listed(project: pytest.Pytester, options: tuple[str, ...]) -> None:
    project.makepyfile(_TEST.format(marker="", seconds=3600))
    result = project.runpytest_subprocess("--timeskip-list-crash-points", *options)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*crash points*",
            "*::test_sleeps",
            "  workflow-task:s:1:before-report",
            "  workflow-task:s:1:after-report",
            "  sticky-cache:s:2",
        ]
    )


def test_plugin_brings_another_kind_of_fault(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        from dataclasses import dataclass
        from datetime import timedelta
        from timeskip.faults import Verdict
        from timeskip.hookspecs import hookimpl

        @dataclass(frozen=True)
        class Hiccup(Verdict):
            name = "hiccup"
            seconds: int = 1

            def act(self, passage):
                passage.delay(timedelta(seconds=self.seconds))

        @hookimpl
        def timeskip_faults():
            return [Hiccup]
        """
    )
    project.makepyfile(
        _TEST.format(
            marker='@pytest.mark.faults("hiccup at workflow-task:s:1:before-report seconds=3")',
            seconds=3603,
        )
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)
