"""Replays what a test has left behind, as the last part of the test itself.

So a workflow that is not deterministic fails its test: the test counts as failed and not as passed
with an error, `xfail` applies to it, and what runs failed tests again runs it again.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

import timeskip

#: What pytest returns for the setting unless there is one, which is a `bool`. It counts as true.
_UNSET = "true"


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
        default=_UNSET,
    )


def configure(config: pytest.Config) -> None:
    """Have it so for simulations that are not made by the `sim` fixture, too."""
    stack = ExitStack()
    stack.enter_context(timeskip.automatic_replays(are_wanted(config)))
    config.add_cleanup(stack.close)


def are_wanted(config: pytest.Config) -> bool:
    """Whether tests are checked that do not say anything about it."""
    chosen = config.getoption("--timeskip-auto-replay")
    return bool(config.getini("timeskip_auto_replay")) if chosen is None else chosen == "yes"


def of_environments(config: pytest.Config) -> dict[str, None]:
    """What is said of simulations in place of servers: they are as others only if that was asked for."""
    is_set = config.getini("timeskip_auto_replay") is not _UNSET
    if is_set or config.getoption("--timeskip-auto-replay") is not None:
        return {"auto_replay": None}
    return {}


def are_wanted_in(item: pytest.Item) -> bool:
    """Whether this test is checked."""
    for marker in item.iter_markers("timeskip"):
        if "auto_replay" in marker.kwargs:
            return bool(marker.kwargs["auto_replay"])
    return are_wanted(item.config)


def check_others(*, besides: timeskip.Simulation | None, fails: bool = True) -> None:
    """Check what a test has left in simulations that outlast it, so that no other one answers for it.

    `fails`: whether the test is to fail for that; it may have failed already.
    """
    __tracebackhide__ = True
    for simulation in timeskip.running_simulations():
        if simulation is besides:
            continue
        try:
            simulation.check_replays(automatically=True)
        except timeskip.ReplayFailed as error:
            if fails:
                raise pytest.fail.Exception(str(error), pytrace=False) from None


def check(simulation: timeskip.Simulation) -> None:
    """Fail the test if a run does something else in a replay."""
    __tracebackhide__ = True
    try:
        simulation.check_replays()
    except timeskip.ReplayFailed as error:
        # The traceback would be that of the replay's machinery.
        raise pytest.fail.Exception(str(error), pytrace=False) from None
