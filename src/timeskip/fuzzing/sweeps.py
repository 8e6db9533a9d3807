"""One test, once without a crash, and then once for each place at which its worker can die."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from timeskip.errors import FaultPlanError
from timeskip.faults.crash_points import CrashPoint, CrashPoints
from timeskip.faults.crashes import crash_at
from timeskip.faults.plan_text import plan_text
from timeskip.faults.rules import Rule
from timeskip.fuzzing.endings import Endings
from timeskip.fuzzing.invariants import require_invariants
from timeskip.fuzzing.lines import lines_of
from timeskip.fuzzing.selection import Selection
from timeskip.histories.run_records import RunRecord

#: Replays all runs of a test, and raises why one cannot be.
Replay = Callable[[], None]

#: A crash at these takes no time, so nothing else can come of it.
_INSTANT = ("sticky-cache",)


@dataclass
class Sweep:
    """What is known of a test from its run without a crash, the baseline, and from those after it.

    Attributes:
        selections: Each leaves out what it does not include.
        same_results, same_histories: See `require_invariants`.
    """

    selections: Sequence[Selection] = ()
    same_results: bool = True
    same_histories: bool = False
    _baseline: Endings | None = field(default=None, init=False)
    _all: CrashPoints = field(default_factory=CrashPoints, init=False)
    _replayed: set[tuple[object, ...]] = field(default_factory=set, init=False)

    #: The points that it goes through, by their names, in the order of the baseline.
    points: dict[str, CrashPoint] = field(default_factory=dict, init=False)

    def begin(self, points: CrashPoints, runs: Sequence[RunRecord], replay: Replay | None) -> None:
        """The baseline has ended well, if `replay`, which replays its runs, raises nothing."""
        endings = Endings(runs)
        self._replay(endings, replay)
        self._baseline = endings
        self._all = points
        self.points = {points.name(point): point for point in points if self._includes(point, runs)}

    @property
    def has_begun(self) -> bool:
        """Whether the baseline has ended well."""
        return self._baseline is not None

    def point(self, name: str) -> CrashPoint:
        """The point of a name, whether it is selected or not.

        Raises `FaultPlanError` if the baseline does not come by there; its message tells which names
        are like that.
        """
        for point in self._all:
            if name in (self._all.name(point), point.id):
                return point
        nearest = "".join(f"\n  {each}" for each in self._all.nearest(name))
        told = f"there is no crash point {name} (any more)."
        raise FaultPlanError(f"{told} Nearest to that are:{nearest}" if nearest else told)

    def point_of(self, plan: str) -> CrashPoint | None:
        """The point at which just this happens, if a line of faults is that of a crash."""
        return next((point for point in self._all if plan in self._lines_of(point)), None)

    def _lines_of(self, point: CrashPoint) -> tuple[str, ...]:
        verdict = crash_at(point).verdict
        return tuple(plan_text([Rule(verdict, name)]) for name in (self._all.name(point), point.id))

    def _includes(self, point: CrashPoint, runs: Sequence[RunRecord]) -> bool:
        lines = partial(lines_of, runs=runs)
        return all(selection.includes(point, lines) for selection in self.selections)

    def check(
        self,
        point: CrashPoint | None,
        runs: Sequence[RunRecord],
        replay: Replay | None,
        *,
        is_repeatable: bool,
    ) -> None:
        """Raise `InvariantBroken` if the runs after a crash are not as the baseline's are.

        `point`: where that was; None if other faults have happened. `is_repeatable`: whether it would
        all have happened in the same order once more. `replay`, which replays them, is called only if
        there is a history unlike all of those that were replayed for this sweep.
        """
        endings = Endings(runs)
        if self._baseline is not None:
            require_invariants(
                self._baseline,
                endings,
                same_results=self.same_results,
                same_histories=self.same_histories
                or (is_repeatable and self._took_no_time(point, self._baseline, endings)),
            )
        self._replay(endings, replay)

    @staticmethod
    def _took_no_time(point: CrashPoint | None, baseline: Endings, endings: Endings) -> bool:
        """Not so, either, if a workflow task was with the worker: that waited for a local activity."""
        if point is None or point.kind not in _INSTANT:
            return False
        return endings.task_timeouts == baseline.task_timeouts

    def _replay(self, endings: Endings, replay: Replay | None) -> None:
        shapes = {ending.shape for ending in endings.values()}
        if replay is not None and not shapes <= self._replayed:
            replay()
            self._replayed |= shapes
