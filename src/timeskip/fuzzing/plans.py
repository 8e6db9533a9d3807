"""A Hypothesis strategy for several faults in one run of a test.

What is drawn is a `FaultPlan`: a line of faults, at places that the test came by without any. With a
fault the test may come by other places than those. So every fault is optional, and of activities and
workflow tasks that have to be tried again the next tries count as places, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from timeskip.clock import Nanoseconds
from timeskip.faults.crash_points import CRASH_KINDS, CrashPoint
from timeskip.faults.crashes import crash_at
from timeskip.faults.durations import duration_text
from timeskip.faults.plan_text import plan_text
from timeskip.faults.rules import Rule, Where
from timeskip.faults.verdicts import (
    DelayResponse,
    DropStickyQueue,
    DuplicateResponse,
    FailActivity,
    FailRpc,
    KillWorker,
    LoseAllWorkers,
    LoseResponse,
    Partition,
    RestartServer,
    Verdict,
)
from timeskip.fuzzing.lines import lines_of
from timeskip.fuzzing.selection import Selection
from timeskip.fuzzing.surroundings import Surroundings
from timeskip.server.errors import StatusCode

_SECOND = 1_000_000_000

#: How often in a row one thing is hit.
_MOST_TRIES = 3

_TRY = re.compile(r"#(\d+)(?=:)")

#: What the SDKs answer by trying again.
_PASSING = (StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED)

#: What is told the service by a call of the worker.
_SENT = ("workflow-task", "activity", "heartbeat", "update")

_EFFECTIVE = ("activity", "heartbeat", "local-activity")

_MOST_VERDICTS = 12
_TRIES_AND_WHICH = st.integers(0, _MOST_TRIES * _MOST_VERDICTS - 1)

#: Faults of a kind that there can be at a place.
_Kind = tuple[str, Sequence[Verdict] | st.SearchStrategy[Verdict]]

#: Shorter and longer than the timeout of a workflow task.
_DELAYS = (timedelta(seconds=1), timedelta(seconds=15), timedelta(minutes=1))


@dataclass(frozen=True)
class FaultPlan:
    """The faults of one run of a test, in one line, such as `--timeskip-faults` takes.

    An empty one has no faults.
    """

    line: str = ""

    def __str__(self) -> str:
        return self.line

    def __bool__(self) -> bool:
        return bool(self.line)


@dataclass(frozen=True)
class PlanLimits:
    """What `fault_plans` was told; see there."""

    selection: Selection
    #: By kinds.
    most: Mapping[str, int]
    delays: Sequence[timedelta]
    others: st.SearchStrategy[Verdict] | None
    same_results: bool
    same_histories: bool

    def plans(self, surroundings: Surroundings) -> st.SearchStrategy[FaultPlan]:
        """The plans for a test that comes by these places."""
        return _plans(_Places(self, surroundings))


def fault_plans(
    *patterns: str,
    workflow: str | Sequence[str] = (),
    line: str | Sequence[str] = (),
    max_kills: int = 3,
    max_losses: int = 1,
    max_delays: int = 1,
    max_errors: int = 1,
    longest_delay: timedelta = _DELAYS[-1],
    others: st.SearchStrategy[Verdict] | None = None,
    max_others: int = 1,
    same_results: bool = True,
    same_histories: bool = False,
) -> st.SearchStrategy[FaultPlan]:
    """Plans of faults for a test with the fixture `sim`; `@given(plan=fault_plans(max_kills=3))`.

    The simulation of each example has the faults of its plan. The test runs first without any: that
    is where the places come from, and what the ends of workflows are compared with. Plans shrink to
    as few faults as possible, to kills rather than other faults, and to early places.

    Args:
        patterns, workflow, line: Which crash points; see `timeskip.fuzzing.Selection`. All unless
            given, and then also instants of virtual time and the calls of clients.
        max_kills: How many crashes at most: of a worker, of all workers, of the service, and
            workflows that fall out of a worker's cache.
        max_losses: How many connections that break, requests that arrive twice, sticky queues that
            are forgotten.
        max_delays: How many requests and answers that are late, workers that are cut off.
        max_errors: How many calls that fail with what SDKs try again, attempts of activities that
            fail.
        longest_delay: At most so much virtual time for a delay, or until a worker is replaced.
        others: Further verdicts, such as those of a plugin, for the same crash points.
        max_others: How many of these.
        same_results, same_histories: What has to be as it is without faults; see
            `timeskip.fuzzing.require_invariants`.
    """
    most = {
        "kill": max_kills,
        "loss": max_losses,
        "delay": max_delays,
        "error": max_errors,
        "other": max_others if others is not None else 0,
    }
    if min(most.values()) < 0 or not any(most.values()):
        raise InvalidArgument("fault_plans: the numbers of faults have to be positive, or some 0")
    limits = PlanLimits(
        Selection(patterns, _several(workflow), _several(line)),
        most,
        [*(delay for delay in _DELAYS if delay < longest_delay), longest_delay],
        others,
        same_results,
        same_histories,
    )
    strategy = st.just(limits).map(_refuse)
    _limits[strategy] = limits
    return strategy


def limits_of(strategy: st.SearchStrategy[Any]) -> PlanLimits | None:
    """What a strategy that `fault_plans` has made was told; None if it is another's."""
    return _limits.get(strategy)


_limits: WeakKeyDictionary[st.SearchStrategy[Any], PlanLimits] = WeakKeyDictionary()


def _refuse(limits: PlanLimits) -> FaultPlan:
    """Stands for plans as long as nobody knows the test's places."""
    raise InvalidArgument(
        "fault_plans(...) has to be an argument of `@given` itself, as in "
        "`@given(plan=fault_plans(max_kills=3))`, and the test needs the fixture `sim`: its places "
        "are found by running the test without faults"
    )


@st.composite
def _plans(draw: st.DrawFn, places: _Places) -> FaultPlan:
    left = dict(places.limits.most)
    rules: dict[tuple[str, Where], Rule] = {}
    most = sum(left.values()) if places.anywhere else 0
    for fault in draw(st.lists(_faults(places), max_size=most)):
        fitting = fault.rules[: left[fault.kind]]
        left[fault.kind] -= len(fitting)
        rules.update({(rule.verdict.name, rule.at): rule for rule in fitting})
    return FaultPlan(plan_text(rules.values()))


@dataclass(frozen=True)
class _Fault:
    """One of a plan; or several of a kind, if it happens to several tries of the same thing."""

    kind: str
    rules: list[Rule]


@st.composite
def _faults(draw: st.DrawFn, places: _Places) -> _Fault:
    """Where comes before what, so that a fault can shrink to a simpler one at the same place.

    For the same reason each takes as many choices as any other. There must be no more than four:
    with the one that there is another fault, five are the most that Hypothesis deletes at once.
    """
    point = draw(draw(st.sampled_from(places.anywhere)))
    names = _tries(point.kind, places.surroundings.points.name(point))
    kind, verdicts = draw(st.sampled_from(places.kinds_at(point)))
    tries, which = divmod(draw(_TRIES_AND_WHICH), _MOST_VERDICTS)
    if isinstance(verdicts, st.SearchStrategy):
        verdict = draw(verdicts)
    else:
        verdict = verdicts[which % len(verdicts)]
    return _Fault(kind, [Rule(verdict, name) for name in names[: tries + 1]])


@dataclass(frozen=True)
class _Places:
    """Where faults can happen in a test, and which."""

    limits: PlanLimits
    surroundings: Surroundings

    @cached_property
    def anywhere(self) -> list[st.SearchStrategy[CrashPoint]]:
        """Crash points, the earliest first, then calls, then instants; each as often as it should be."""
        limits, surroundings = self.limits, self.surroundings
        lines = partial(lines_of, runs=surroundings.runs)
        points = [point for point in surroundings.points if limits.selection.includes(point, lines)]
        # What does something outside of the workflow is where bugs are.
        points += [point for point in points if point.kind in _EFFECTIVE] * 3
        strategies = [self._one_of(points)] * 6
        if limits.selection == Selection():
            strategies += [self._one_of(surroundings.calls), *[self._instants()] * 2]
        return [strategy for strategy in strategies if not strategy.is_empty]

    def _instants(self) -> st.SearchStrategy[CrashPoint]:
        """Those at which something happens, those between, and some others."""
        if not self.kinds_at(_instant(0)):
            return st.nothing()
        first, last = self.surroundings.start, self.surroundings.end
        known = sorted({point.time - first for point in self.surroundings.points})
        between = [(one + other) // 2 for one, other in pairwise(known)]
        others = [(last - first) * part // 16 // _SECOND * _SECOND for part in range(16)]
        instants = dict.fromkeys([*known, *between, *others])
        return st.sampled_from([_instant(instant) for instant in instants])

    def _one_of(self, points: Iterable[CrashPoint]) -> st.SearchStrategy[CrashPoint]:
        points = [point for point in points if self.kinds_at(point)]
        return st.sampled_from(points) if points else st.nothing()

    def kinds_at(self, point: CrashPoint) -> list[_Kind]:
        """The kinds of faults that there are at a place, the simplest first and most often."""
        # Strategies take a while to make, and of these there are few.
        kind = (point.kind, point.moment)
        if kind not in self._kinds:
            self._kinds[kind] = self._kinds_at(point)
        return self._kinds[kind]

    @cached_property
    def _kinds(self) -> dict[tuple[str, str], list[_Kind]]:
        return {}

    def _kinds_at(self, point: CrashPoint) -> list[_Kind]:
        kinds: list[_Kind] = [
            (kind, verdicts)
            for kind, verdicts in self._verdicts(point).items()
            if self.limits.most[kind]
        ]
        others = self.limits.others
        if others is not None and self.limits.most["other"] and point.kind in CRASH_KINDS:
            kinds.append(("other", others))
        return [*kinds[:1], *kinds]

    def _verdicts(self, point: CrashPoint) -> dict[str, Sequence[Verdict]]:
        """What can happen at a place, by kinds; the simplest first, and as often as it should be."""
        delays = self.limits.delays
        late = [DelayResponse(delay) for delay in delays]
        cut_off = [Partition(delay) for delay in delays]
        if point.kind == "rpc":
            passing = [FailRpc(code) for code in _PASSING]
            return {"error": passing, "loss": [LoseResponse()], "delay": late}
        if point.kind == "time":
            gone = [LoseAllWorkers(delay) for delay in delays]
            return {"kill": [KillWorker(), RestartServer(), *gone], "delay": cut_off}
        crash = crash_at(point).verdict
        if not isinstance(crash, KillWorker):
            return {"kill": [crash]}
        kinds: dict[str, Sequence[Verdict]] = {
            "kill": [*[crash] * len(delays), *(KillWorker(delay) for delay in delays)]
        }
        if point.kind in _SENT:
            lost: list[Verdict] = [LoseResponse(), DuplicateResponse()]
            if point.kind == "workflow-task":
                lost.append(DropStickyQueue())
            kinds["loss"] = lost
        if point.kind in (*_SENT, "local-activity"):
            kinds["delay"] = [*late, *cut_off]
        if point.kind in ("activity", "local-activity"):
            kinds["error"] = [FailActivity()]
        return kinds


def _tries(kind: str, name: str) -> list[str]:
    """A name, and those of the next tries of the same thing, if there can be any."""
    if kind == "workflow-task":
        start, moment = name.rsplit(":", 1)
        return [name, *(f"{start}#{number}:{moment}" for number in range(2, _MOST_TRIES + 1))]
    first = _TRY.search(name) if kind in ("activity", "heartbeat", "local-activity") else None
    if first is None:
        return [name]
    numbers = range(int(first[1]), int(first[1]) + _MOST_TRIES)
    return [_TRY.sub(f"#{number}", name, count=1) for number in numbers]


def _instant(since_start: Nanoseconds) -> CrashPoint:
    name = f"time:{duration_text(timedelta(microseconds=since_start // 1000))}"
    return CrashPoint(name, name, "time", "")


def _several(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
