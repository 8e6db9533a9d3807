"""`@pytest.mark.crash_sweep`: a test, and then the test again for each place where a worker can die.

Pytest collects one item, `test_order`. It is the baseline: it runs without a crash, and only then it
is known where a worker could have died. So the others, `test_order[activity:charge_card#1:before-report]`
and so on, are not collected: they are made when the baseline has ended well, and run at once, each
by the whole protocol of a test, with function-scoped fixtures of its own.

They could have been collected, had the baseline run during the collection. But then `--collect-only`
and every editor would run workflows, with fixtures that nobody expects to be set up so early; each
process of pytest-xdist would run every baseline, and if but one of them came by another place, as can
happen on the wire lane, pytest-xdist would refuse the session, since all have to collect the same.
As it is, what is collected depends on nothing that happens in a simulation. What follows from it:

- pytest-xdist gives a sweep as a whole to one process. Reports of its tests reach the terminal and
  every reporter one by one, as those of any test do.
- `-x` and `--maxfail` end a sweep at its failure. A baseline that fails or is skipped has no sweep.
- A test of a sweep that is named on the command line, or that `--lf` and `--ff` know, is collected by
  its id, without the rest of the sweep. Its baseline runs before it, unreported unless it fails.
- `-k` and `-m` choose sweeps; `--timeskip-sweep` chooses crash points within all of them.
- The total that percentages are of grows when a baseline has ended.

With `--timeskip-faults` the test runs once with these faults, and before that its baseline, unreported
as well: what holds at a crash holds with them. With `--timeskip-list-crash-points` it runs once, as any
other.
"""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import _pytest.python
import pytest
from _pytest.runner import runtestprotocol
from _pytest.unittest import TestCaseFunction, UnitTestCase

import timeskip
from timeskip.faults import Fault, crash_at
from timeskip.fuzzing import InvariantBroken, Selection, Sweep

MARKER = "crash_sweep"

_SWEEP = pytest.StashKey[Sweep]()
_POINT = pytest.StashKey[str]()
_CRASH = pytest.StashKey[Fault]()
_BASELINE = pytest.StashKey[str]()
_IS_GIVEN = pytest.StashKey[bool]()
_COUNT = "timeskip_crash_points"


def add_options(group: pytest.OptionGroup) -> None:
    """`--timeskip-sweep`."""
    group.addoption(
        "--timeskip-sweep",
        metavar="SELECTION",
        help="Crash points of sweeps: kinds or other beginnings of names, workflow=TYPE-OR-ID, "
        'line=FILE:LINE, such as "activity heartbeat workflow=Order".',
    )


def configure(config: pytest.Config) -> None:
    """Register the marker, and what runs the tests that have it."""
    config.addinivalue_line(
        "markers",
        "crash_sweep(*patterns, workflow=..., line=..., xfail={pattern: reason}, same_results=True, "
        "same_histories=False): runs the test once more for each place at which a worker can die.",
    )
    try:
        Selection.parse(config.getoption("--timeskip-sweep") or "")
    except timeskip.FaultPlanError as error:
        raise pytest.UsageError(f"--timeskip-sweep: {error}") from None
    config.pluginmanager.register(_CrashSweeps(config))


def begin(request: pytest.FixtureRequest, simulation: timeskip.Simulation) -> None:
    """Have a simulation note its crash points, or crash, if it is one of a sweep."""
    sweep = request.node.stash.get(_SWEEP, None)
    if sweep is None:
        return
    name = request.node.stash.get(_POINT, None)
    if name is None or _IS_GIVEN in request.node.stash:
        _ = simulation.crash_points
        return
    try:
        rule = crash_at(sweep.point(name))
    except timeskip.FaultPlanError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    request.node.stash[_CRASH] = simulation.faults.add(rule.verdict, rule.at)


def takes_option(item: pytest.Item) -> bool:
    """Whether the faults of `--timeskip-faults` are for a test: not if it is the baseline for these."""
    return _SWEEP not in item.stash or _IS_GIVEN in item.stash


def require_crash(item: pytest.Item, simulation: timeskip.Simulation) -> None:
    """Skip the rest of a test of a sweep, or fail it, if it did not come by its crash point."""
    __tracebackhide__ = True
    crash = item.stash.get(_CRASH, None)
    if crash is None or crash.count:
        return
    if not simulation.is_repeatable:
        raise pytest.skip.Exception(
            f"this time it did not come by {item.stash[_POINT]}: it is not the same every time, since "
            "threads, connections or the wire lane are part of it"
        )
    raise pytest.fail.Exception(
        f"it did not come by {item.stash[_POINT]}, as the run without a crash did. The test, or what "
        "it shares with others, is not the same every time.",
        pytrace=False,
    )


def check(
    item: pytest.Item, simulation: timeskip.Simulation, replay: Callable[[], None] | None
) -> None:
    """Fail a test of a sweep if its workflows are not what they are without a crash.

    `replay` replays the test's workflows, unless that is not wanted; of any other test all are.
    """
    __tracebackhide__ = True
    sweep = item.stash.get(_SWEEP, None)
    if sweep is None:
        if replay is not None:
            replay()
        return
    name = item.stash.get(_POINT, None)
    if _IS_GIVEN in item.stash:
        point = sweep.point_of(item.config.getoption("--timeskip-faults"))
    elif name is not None:
        point = sweep.point(name)
    else:
        sweep.begin(simulation.crash_points, simulation.runs, replay)
        if not sweep.points and not item.config.getoption("--timeskip-sweep"):
            raise pytest.fail.Exception(
                "there is no crash point for the sweep in:\n" + str(simulation.crash_points),
                pytrace=False,
            )
        for pattern in _expected_failures(item):
            if not simulation.crash_points.of(pattern):
                nearest = "".join(
                    f"\n  {each}" for each in simulation.crash_points.nearest(pattern)
                )
                raise pytest.fail.Exception(
                    f"there is no crash point {pattern}, at which a failure is expected. Nearest to that "
                    f"are:{nearest}",
                    pytrace=False,
                )
        return
    try:
        sweep.check(
            point,
            simulation.runs,
            replay,
            is_repeatable=simulation.is_repeatable,
        )
    except InvariantBroken as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


class _CrashSweeps:
    """Runs sweeps. By the ids of their baselines it knows those that it has run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._sweeps: dict[str, Sweep] = {}
        self._session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pycollect_makeitem(self) -> Generator[None, Any, Any]:
        made = yield
        nodes = made if isinstance(made, list) else [made]
        for node in nodes:
            if isinstance(node, UnitTestCase):
                # It makes its items by itself, later.
                vars(node)["collect"] = partial(self._collect, node)
        return [*self._with_asked_for(nodes)] if isinstance(made, list) else made

    def _collect(self, case: UnitTestCase) -> Iterator[pytest.Item | pytest.Collector]:
        return self._with_asked_for(type(case).collect(case))

    def _with_asked_for(
        self, nodes: Iterable[pytest.Item | pytest.Collector]
    ) -> Iterator[pytest.Item | pytest.Collector]:
        """What was collected, and the tests of sweeps that were asked for by their ids."""
        for node in nodes:
            yield node
            if isinstance(node, pytest.Function) and _is_swept(node):
                try:
                    _sweep_of(node)
                except (timeskip.FaultPlanError, TypeError) as error:
                    raise pytest.Collector.CollectError(
                        f"{node.name}: crash_sweep: {error}"
                    ) from None
                yield from (_copy(node, name) for name in self._asked_for(node))

    def _asked_for(self, item: pytest.Function) -> list[str]:
        """The names of crash points of a test that are to be collected without the others."""
        before = f"{item.name[:-1]}-" if hasattr(item, "callspec") else f"{item.name}["
        asked = []
        for argument in self._config.args:
            path, separator, rest = argument.partition("::")
            if separator and self._config.invocation_params.dir / Path(path) == item.path:
                asked.append(f"{item.nodeid.partition('::')[0]}::{rest}")
        cache = getattr(self._config, "cache", None)
        if cache is not None and any(map(self._config.getoption, ("lf", "failedfirst"))):
            asked += cache.get("cache/lastfailed", {})
        start = item.nodeid.removesuffix(item.name) + before
        names = [
            each.removeprefix(start)[:-1]
            for each in asked
            if each.startswith(start) and each[-1] == "]"
        ]
        return list(dict.fromkeys(names))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if _SWEEP in item.stash and "sim" not in getattr(item, "fixturenames", ()):
            raise pytest.fail.Exception(
                "a test with the marker crash_sweep needs the fixture `sim`", pytrace=False
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        if not isinstance(item, pytest.Function) or not _is_swept(item):
            return None
        if item.config.getoption("--timeskip-faults"):
            item.stash[_IS_GIVEN] = True
        if _POINT in item.stash or _IS_GIVEN in item.stash:
            return None if self._has_baseline(item) else True
        self._run(item, nextitem)
        return True

    def _run(self, item: pytest.Function, nextitem: pytest.Item | None) -> None:
        """The baseline, and then each of its crash points."""
        sweep = self._begin(item, item.nodeid)
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        # Something of the same module and class follows, so that these stay set up.
        reports = runtestprotocol(item, nextitem=_copy(item, "?"))
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        names = sweep.points if all(report.passed for report in reports) else ()
        items = [_copy(item, name) for name in names]
        if not items:
            _tear_down(item, nextitem)
        with _garbage_of_before_kept():
            for each, following in zip(items, [*items, nextitem][1:], strict=True):
                if item.session.shouldfail or item.session.shouldstop:
                    return
                each.stash[_SWEEP] = sweep
                _expect_failure(each)
                with _in_place_of(item, each):
                    item.ihook.pytest_runtest_protocol(item=each, nextitem=following)

    def _has_baseline(self, item: pytest.Function) -> bool:
        """Whether a test that was asked for by its id can go on; its baseline has run then."""
        if _SWEEP in item.stash:
            return True
        baseline_id = item.stash.get(_BASELINE, item.nodeid)
        sweep = self._sweeps.get(baseline_id)
        if sweep is None:
            baseline = _copy(item, None)
            sweep = self._begin(baseline, baseline_id)
            reports = runtestprotocol(baseline, log=False, nextitem=item)
            if not all(report.passed for report in reports):
                with _in_place_of(item, baseline):
                    for report in reports:
                        item.ihook.pytest_runtest_logreport(report=report)
        item.stash[_SWEEP] = sweep
        _expect_failure(item)
        return sweep.has_begun

    def _begin(self, baseline: pytest.Function, baseline_id: str) -> Sweep:
        sweep = self._sweeps[baseline_id] = _sweep_of(baseline)
        baseline.stash[_SWEEP] = sweep
        return sweep

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        is_baseline = _SWEEP in item.stash and _POINT not in item.stash
        if is_baseline and _IS_GIVEN not in item.stash and report.when == "call":
            setattr(report, _COUNT, len(item.stash[_SWEEP].points) if report.passed else 0)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._session is not None:
            self._session.testscollected += getattr(report, _COUNT, 0)


def _is_swept(item: pytest.Item) -> bool:
    """Whether it is the baseline, or another test, of a sweep that is to be made."""
    once = item.config.getoption("--timeskip-list-crash-points")
    return not once and item.get_closest_marker(MARKER) is not None


def _sweep_of(item: pytest.Item) -> Sweep:
    """As the test's markers and the option have it."""
    selections = []
    settings: dict[str, Any] = {}
    for marker in reversed(list(item.iter_markers(MARKER))):
        given = dict(marker.kwargs)
        Selection(tuple(given.pop("xfail", ())))
        workflows, lines = _several(given.pop("workflow", ())), _several(given.pop("line", ()))
        selections.append(Selection(marker.args, workflows, lines))
        settings.update(given)
    option = item.config.getoption("--timeskip-sweep")
    if option:
        selections.append(Selection.parse(option))
    return Sweep(selections, **settings)


def _expected_failures(item: pytest.Item) -> dict[str, str]:
    """Patterns of crash points at which a test is known to fail, and why."""
    return {
        pattern: reason
        for marker in item.iter_markers(MARKER)
        for pattern, reason in marker.kwargs.get("xfail", {}).items()
    }


def _expect_failure(item: pytest.Item) -> None:
    """Mark a test of a sweep with `xfail` if it is known to fail. Its baseline has run."""
    sweep = item.stash[_SWEEP]
    if not sweep.has_begun or _IS_GIVEN in item.stash:
        return
    try:
        point = sweep.point(item.stash[_POINT])
    except timeskip.FaultPlanError:  # there is none such, which is told when the test runs
        return
    for pattern, reason in _expected_failures(item).items():
        if point.matches(pattern):
            item.add_marker(pytest.mark.xfail(reason=reason))


def _several(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, (tuple, list)) else (given,)


def _copy(item: pytest.Function, point: str | None) -> pytest.Function:
    """The same test for a crash point, or without one. Its id is as if it was parametrised so."""
    callspec: Any = getattr(item, "callspec", None)
    ids = list(callspec._idlist) if callspec is not None else []
    if _POINT in item.stash:
        ids.pop()
    baseline_id = item.stash.get(_BASELINE, item.nodeid)
    if point is not None:
        ids.append(point)
    if callspec is None:
        callspec = _CallSpec()
    name = f"{item.originalname}[{'-'.join(ids)}]" if ids else item.originalname
    copied: pytest.Function = type(item).from_parent(
        item.parent,
        # A `unittest.TestCase` is made for the method of that name.
        name=item.originalname if isinstance(item, TestCaseFunction) else name,
        originalname=item.originalname,
        fixtureinfo=item._fixtureinfo,
        callspec=dataclasses.replace(callspec, _idlist=ids) if ids else None,
    )
    if isinstance(item, TestCaseFunction) and isinstance(item.parent, UnitTestCase):
        copied.name = name
        vars(copied)["_nodeid"] = f"{item.parent.nodeid}::{name}"
        vars(copied)["_getinstance"] = partial(item.parent.obj, item.originalname)
    copied.own_markers[:] = item.own_markers
    copied.keywords.update({mark.name: mark for mark in item.own_markers})
    copied.stash[_BASELINE] = baseline_id
    if point is not None:
        copied.stash[_POINT] = point
    return copied


@contextmanager
def _in_place_of(item: pytest.Item, other: pytest.Item) -> Iterator[None]:
    """Within the block the session has the other: pytest-xdist passes on no reports but of what it has."""
    items = item.session.items
    place = items.index(item)
    items[place] = other
    try:
        yield
    finally:
        items[place] = item


@contextmanager
def _garbage_of_before_kept() -> Iterator[None]:
    """Within the block, garbage is looked for only in what is new.

    A sweep makes much garbage, and would have all that a session has imported and collected looked
    through for it, several times.
    """
    if gc.get_freeze_count():  # somebody else has seen to it
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


# Its name until pytest 9.1.
_CallSpec: Any = vars(_pytest.python).get("CallSpec") or vars(_pytest.python)["CallSpec2"]


def _tear_down(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the fixtures of the test's module and class, if they are not those of the next."""
    call = pytest.CallInfo.from_call(
        lambda: item.session._setupstate.teardown_exact(nextitem), when="teardown"
    )
    if call.excinfo is not None:
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
        item.ihook.pytest_runtest_logreport(report=report)
