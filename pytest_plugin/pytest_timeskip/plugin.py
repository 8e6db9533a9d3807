"""What pytest registers for timeskip: the `sim` fixture, its marker and its options."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import pytest

import timeskip
from pytest_timeskip import (
    async_tests,
    comparisons,
    conftest_hooks,
    crash_sweeps,
    environments,
    fault_plans,
    fuzzed_tests,
    golden_histories,
    ledgers,
    replays,
    timelines,
    unheard,
)
from pytest_timeskip.golden_histories import golden_history
from pytest_timeskip.ledgers import ledger

__all__ = ["golden_history", "ledger", "sim"]

Number = TypeVar("Number", int, float)

_SIMULATION = pytest.StashKey[timeskip.Simulation]()
_IS_REPLAYED = pytest.StashKey[bool]()
#: Of a Hypothesis test these are from its last failing example, whose simulation has ended.
_TIMELINES = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("timeskip", "Temporal workflows in virtual time")
    group.addoption(
        "--timeskip-lane",
        choices=["direct", "wire"],
        help="How the `sim` fixture reaches the simulated service: direct (the default) runs "
        "everything on one event loop, wire is real gRPC and slower.",
    )
    group.addoption(
        "--timeskip-seed",
        type=int,
        metavar="N",
        help="Seed of the `sim` fixture's simulations; a failing test prints the one it used.",
    )
    environments.add_options(parser, group)
    fault_plans.add_options(group)
    crash_sweeps.add_options(group)
    golden_histories.add_options(parser, group)
    replays.add_options(parser, group)
    timelines.add_options(parser, group)
    parser.addini("timeskip_lane", "Default of --timeskip-lane.", default="direct")
    parser.addini("timeskip_seed", "Default of --timeskip-seed.", default="0")
    parser.addini(
        "timeskip_frozen_time",
        "Whether datetime.now(), date.today() and time.time() show virtual time in tests that use "
        "`sim` and in their activities (default: true).",
        type="bool",
        default=True,
    )
    parser.addini(
        "timeskip_stall_timeout",
        "For how many real seconds a test that uses `sim` waits for something that goes on without "
        "result (default: 60).",
        default="60",
    )
    parser.addini(
        "timeskip_max_activity_attempts",
        "After so many failures of one activity in a row a test that uses `sim` fails "
        "(default: 1000).",
        default="1000",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "timeskip(**options): options of timeskip.Simulation for this test's `sim`, such as "
        "start_time=..., search_attributes=[...], max_activity_attempts=10.",
    )
    timeskip.install(frozen_time=config.getini("timeskip_frozen_time"))
    replays.configure(config)
    environments.configure(config, lambda: {**_settings(config), **replays.of_environments(config)})
    fault_plans.configure(config)
    crash_sweeps.configure(config)
    config.pluginmanager.register(fuzzed_tests.FuzzedTests())
    golden_histories.configure(config)
    config.pluginmanager.register(_Conftests(config))


class _Conftests:
    """Notes the `conftest.py` files that pytest has found, and finds while it collects."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_plugin_registered(self, plugin: object) -> None:
        conftest_hooks.note(self._config, plugin)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with conftest_hooks.of_test(item), timeskip.automatic_replays(replays.are_wanted_in(item)):
        return (yield)


def pytest_assertrepr_compare(
    config: pytest.Config, op: str, left: object, right: object
) -> list[str] | None:
    of_ledger = ledgers.explained(config, op, left, right)
    return of_ledger or comparisons.explained(config, op, left, right)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist, before it starts."""
    node.workerinput["timeskip_terminal"] = comparisons.terminal(node.config)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    timeskip.exits_with(int(session.exitstatus))


def pytest_unconfigure() -> None:
    timeskip.uninstall()


def pytest_enter_pdb() -> None:
    timeskip.debugger_entered()


def pytest_leave_pdb() -> None:
    timeskip.debugger_left()


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Iterator[timeskip.Simulation]:
    """A running `timeskip.Simulation`, of this test's own.

    Works in `async def` tests under any async plugin or none, and in plain ones (see
    `Simulation.run`). What went wrong in the simulation while the test was not waiting for anything
    is raised when the test ends.
    """
    options = _options(request)
    # Before the test counts as passed, not after.
    request.node.stash[_IS_REPLAYED] = options.pop("auto_replay")
    with timeskip.Simulation(**options, auto_replay=False) as simulation:
        request.node.stash[_SIMULATION] = simulation
        crash_sweeps.begin(request, simulation)
        ledgers.begin(request.config, simulation)
        with_option = fuzzed_tests.begin(request, simulation)
        with_option = with_option and crash_sweeps.takes_option(request.node)
        fault_plans.begin(request, simulation, with_option=with_option)
        yield simulation
        simulation.check()


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    options = {**_settings(request.config), "auto_replay": replays.are_wanted(request.config)}
    for marker in reversed(list(request.node.iter_markers("timeskip"))):
        options.update(marker.kwargs)
    return options


def _settings(config: pytest.Config) -> dict[str, Any]:
    return {
        "lane": config.getoption("--timeskip-lane") or config.getini("timeskip_lane"),
        "seed": _seed(config),
        "stall_timeout": timedelta(seconds=_number(config, "timeskip_stall_timeout", float)),
        "max_activity_attempts": _number(config, "timeskip_max_activity_attempts", int),
    }


def _seed(config: pytest.Config) -> int:
    chosen = config.getoption("--timeskip-seed")
    return _number(config, "timeskip_seed", int) if chosen is None else int(chosen)


def _number(config: pytest.Config, name: str, kind: Callable[[str], Number]) -> Number:
    setting = config.getini(name)
    try:
        return kind(setting)
    except ValueError:
        raise pytest.UsageError(f"{name} = {setting}: a number is needed") from None


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test that uses `sim` if no async plugin will."""
    if (
        async_tests.coroutine_function(pyfuncitem) is not None
        and "sim" in pyfuncitem.fixturenames
        and not async_tests.somebody_else_runs(pyfuncitem)
    ):
        async_tests.run(pyfuncitem)
        return True
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    with timeskip.blocked_loops_ended():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    try:
        with timeskip.blocked_loops_ended():
            yield
    except (KeyboardInterrupt, SystemExit, pytest.exit.Exception):
        raise
    except BaseException:
        replays.check_others(besides=item.stash.get(_SIMULATION, None), fails=False)
        raise
    simulation = item.stash.get(_SIMULATION, None)
    unheard.raise_what_happened(besides=simulation)
    replays.check_others(besides=simulation, fails=not getattr(item, "_excinfo", None))
    # What fails a method of a `unittest.TestCase` is kept, and not raised here.
    if simulation is None or getattr(item, "_excinfo", None):
        return
    crash_sweeps.require_crash(item, simulation)
    fault_plans.check(simulation)
    replay = partial(replays.check, simulation) if item.stash[_IS_REPLAYED] else None
    if not fuzzed_tests.check(item, simulation, replay):
        crash_sweeps.check(item, simulation, replay)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    with timeskip.blocked_loops_ended():
        yield
    unheard.warn_of_what_happened(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    simulation = item.stash.get(_SIMULATION, None)
    if simulation is not None and report.when == "call" and report.failed:
        if _TIMELINES not in item.stash:
            item.stash[_TIMELINES] = timelines.told(item.config, simulation)
        if item.stash[_TIMELINES]:
            report.sections.append(("timeline", item.stash[_TIMELINES]))
        report.sections.append(
            (
                "timeskip",
                (
                    f"virtual time {simulation.elapsed} after the start; "
                    f"reproduce with --timeskip-seed={simulation.seed}"
                    f"{fault_plans.how_to_repeat(simulation)}"
                ),
            )
        )
    if simulation is not None and report.when == "call":
        fault_plans.note_points(item, simulation, report)
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    fault_plans.list_points(terminalreporter)
