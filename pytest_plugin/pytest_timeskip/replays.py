"""Replays what a test has left behind, as the last part of the test itself.

So a workflow that is not deterministic fails its test: the test counts as failed and not as passed
with an error, `xfail` applies to it, and what runs failed tests again runs it again.
"""

from __future__ import annotations

import pytest

import timeskip


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    """`--timeskip-auto-replay`, and the setting that is its default."""
    group.addoption(
        "--timeskip-auto-replay",
        choices=["yes", "no"],
        help="Whether every workflow run that a test leaves behind is replayed at the test's end "
        "(the default: yes).",
    )
    parser.addini(
        "timeskip_auto_replay",
        "Default of --timeskip-auto-replay (default: true).",
        type="bool",
        default=True,
    )


def are_wanted(config: pytest.Config) -> bool:
    """Whether tests are checked that do not say anything about it."""
    chosen = config.getoption("--timeskip-auto-replay")
    return bool(config.getini("timeskip_auto_replay")) if chosen is None else chosen == "yes"


def check(simulation: timeskip.Simulation) -> None:
    """Fail the test if a run does something else in a replay."""
    __tracebackhide__ = True
    try:
        simulation.check_replays()
    except timeskip.ReplayFailed as error:
        # The traceback would be that of the replay's machinery.
        raise pytest.fail.Exception(str(error), pytrace=False) from None
