"""Faults from the outside of a test: a marker, an option, and what a failure says of them."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

import timeskip

_POINTS = "timeskip crash points"


def add_options(group: pytest.OptionGroup) -> None:
    """`--timeskip-faults` and `--timeskip-list-crash-points`."""
    group.addoption(
        "--timeskip-faults",
        metavar="PLAN",
        help="Faults for the `sim` fixture's simulations, in the one-line form that failures print: "
        '"kill-worker at activity:charge_card#1:before-report".',
    )
    group.addoption(
        "--timeskip-list-crash-points",
        action="store_true",
        help="Print the places at which a worker could have died, test by test.",
    )


def configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "faults(*plans): faults for this test's `sim`, each in one line, such as "
        "'kill-worker at activity:charge_card#1:before-report'.",
    )


def begin(
    request: pytest.FixtureRequest, simulation: timeskip.Simulation, *, with_option: bool
) -> None:
    """Give a simulation the faults that it is to have, before the test has it."""
    config = request.config
    if config.getoption("--timeskip-list-crash-points"):
        _ = simulation.crash_points
    for marker in reversed(list(request.node.iter_markers("faults"))):
        for plan in marker.args:
            simulation.faults.add_plan(plan)
    plan = config.getoption("--timeskip-faults")
    if plan and with_option:
        simulation.faults.add_plan(plan)


def check(simulation: timeskip.Simulation) -> None:
    """Fail the test if one of its faults did not happen."""
    __tracebackhide__ = True
    try:
        simulation.check_faults()
    except timeskip.FaultNeverActed as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def how_to_repeat(simulation: timeskip.Simulation) -> str:
    """The options with which a test's faults happen again; empty if it has none."""
    plan = simulation.fault_plan
    return f" --timeskip-faults={shlex.quote(plan)}" if plan else ""


def note_points(
    item: pytest.Item, simulation: timeskip.Simulation, report: pytest.TestReport
) -> None:
    """Keep the crash points of a test for the end of the session."""
    if item.config.getoption("--timeskip-list-crash-points"):
        report.sections.append((_POINTS, str(simulation.crash_points)))


def list_points(reporter: Any) -> None:
    """Print the crash points of all tests."""
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in reporter.getreports(outcome)
        if any(title == _POINTS for title, _ in report.sections)
    ]
    if reports:
        reporter.section("crash points")
    for report in reports:
        reporter.write_line(report.nodeid, bold=True)
        for title, points in report.sections:
            for point in points.splitlines() if title == _POINTS else ():
                reporter.write_line(f"  {point}")
