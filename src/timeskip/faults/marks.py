"""What happened to a run that its history does not tell: faults, attempts of activities, replays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from timeskip.clock import datetime_of
from timeskip.faults.accounts import account
from timeskip.faults.crash_points import CrashPoint
from timeskip.faults.rules import Rule
from timeskip.timeline import Line, Mark, Mood

_WORDS = {
    "kill-worker": "killed",
    "lose-all-workers": "killed",
    "evict-workflow": "evicted",
    "restart-server": "restart",
    "partition": "cut off",
}


def marks_of(
    run_id: str,
    rules: Iterable[Rule],
    points: Iterable[CrashPoint],
    replays: Iterable[CrashPoint],
) -> list[Mark]:
    """The marks of a run's timeline, in the order of time.

    Args:
        run_id: What belongs to no run, such as a restart of the service, is for all.
        rules: Where they have acted is marked.
        points: Crash points. Attempts are told of activities that were tried more than once.
        replays: Where a worker got the whole history of a run that another had worked on.
    """
    marks = [
        *_attempts([point for point in points if point.run_id == run_id]),
        *_faults(run_id, rules),
        *(_replay(point) for point in replays if point.run_id == run_id),
    ]
    return sorted(marks, key=lambda mark: (mark.at, mark.after))


def _faults(run_id: str, rules: Iterable[Rule]) -> Iterator[Mark]:
    for rule in rules:
        for point in rule.acted_at:
            if point.run_id in ("", run_id):
                word = _WORDS.get(rule.verdict.name, "fault")
                line = Line(word, "", account(rule, point), Mood.FAULT)
                yield Mark(datetime_of(point.time), line, point.event_id)


def _attempts(points: list[CrashPoint]) -> Iterator[Mark]:
    begins = [
        point for point in points if point.kind == "activity" and point.moment == "before-start"
    ]
    tries = Counter(_call_and_attempt(point)[0] for point in begins)
    for point in begins:
        call, attempt = _call_and_attempt(point)
        if tries[call] > 1:
            line = Line("attempt", f"{attempt} of {call}")
            yield Mark(datetime_of(point.time), line, point.event_id)


def _call_and_attempt(point: CrashPoint) -> tuple[str, str]:
    """Of `activity:charge_card@2#1:before-start` these are `charge_card@2` and `1`."""
    call, _, attempt = point.short_id.split(":")[1].rpartition("#")
    return call, attempt


def _replay(point: CrashPoint) -> Mark:
    line = Line("replay", "", f"another worker begins with {point.event_id} events")
    return Mark(datetime_of(point.time), line, point.event_id)
