"""Crash points: the places of a run at which a worker can die, and their names.

This is the grammar of the names:

    workflow-task:WORKFLOW:N:MOMENT             before-report, after-report
    activity:WORKFLOW/TYPE#ATTEMPT:MOMENT       before-start, before-report
    heartbeat:WORKFLOW/TYPE#ATTEMPT:N:MOMENT    before-report, after-report
    local-activity:WORKFLOW/TYPE#TIME:MOMENT    before-start, before-report
    nexus-task:WORKFLOW/OPERATION#ATTEMPT:MOMENT
    nexus-cancel:WORKFLOW/OPERATION#ATTEMPT:MOMENT
                                                before-start, before-report, after-report
    query:WORKFLOW/NAME#N:MOMENT                before-start, before-report, after-report
    update:WORKFLOW/NAME#N:MOMENT               before-accept, after-accept, before-complete,
                                                after-complete
    sticky-cache:WORKFLOW:N                     between the workflow tasks N-1 and N
    server-restart:N                            before the Nth request

The moments: `before-start`, the task is with the worker but its code has not begun; `before-report`,
the code has ended but the server does not know; `after-report`, the server knows but the worker
does not know that it does.

`WORKFLOW` is the workflow's id, `order-1`. A later run of the same id (continued as new, retried,
started again) is `order-1@2`. An id that was made up, a UUID, would be another one whenever
something changes. Such a workflow is called by its type, `Order#1`, and as a child after its
parent, `order-1/Shipping#1`. If only a part of an id is made up, that part is counted: `order-#1`.

`TYPE` is the activity's type, and `ATTEMPT` the server's number of the attempt. When a workflow
calls a type several times, its second call is `charge_card@2#1`. Without `WORKFLOW/` the name stands
for any workflow's. `OPERATION` is service and name of a Nexus operation, `shop/buy`, and `WORKFLOW`
the one that calls it: a `nexus-task` is to start it, a `nexus-cancel` to cancel it. Workflow tasks
are counted by progress: what follows on the second completed task is the third, `order-1:3`. If that
has to be handed out again, it is `order-1:3#2` then.

Faults can also be placed where a crash would be like one that is listed, or none at all:

    activity:WORKFLOW/TYPE#ATTEMPT:after-report
    rpc:METHOD#N:MOMENT                         request, response
    time:DURATION                               an instant, such as 1h30m after the start

A pattern is a name or the beginning of one, up to a `:`, a `#` or a `@`; `*` stands for anything:
`activity:charge_card` is every attempt of every call, at every moment.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

#: The kinds of crash points, and those of the other places that a fault can have.
CRASH_KINDS = (
    "workflow-task",
    "activity",
    "heartbeat",
    "local-activity",
    "nexus-task",
    "nexus-cancel",
    "query",
    "update",
    "sticky-cache",
    "server-restart",
)
KINDS = (*CRASH_KINDS, "rpc", "time")

#: What follows on a pattern in the names that it includes.
_ENDS = ("", ":", "#", "@")

#: How many names are suggested instead of one that does not exist.
_SUGGESTIONS = 5


@dataclass(frozen=True)
class CrashPoint:
    """One place of a run. Compared by its name; see the top of this file for the grammar.

    Attributes:
        id: The full name.
        short_id: The name without the workflow, or the same.
        kind: What the name begins with.
        moment: What it ends with; empty for kinds that have no moments.
        workflow_id, run_id, workflow_type: Of the workflow that it belongs to; may be empty.
        subject: The type of the activity, or the name of the query, update or Nexus operation; may be
            empty.
        activity_id: Of the activity, as the history has it; may be empty.
        event_id: The last event of the run's history then; 0 if there is no run.
        time: Virtual nanoseconds since the epoch.
    """

    id: str
    short_id: str
    kind: str
    moment: str
    workflow_id: str = ""
    run_id: str = ""
    workflow_type: str = ""
    subject: str = ""
    activity_id: str = ""
    event_id: int = 0
    time: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CrashPoint) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id

    def matches(self, pattern: str) -> bool:
        """Whether a pattern, see above, includes this point."""
        matches = _matcher(pattern)
        return matches(self.id) or matches(self.short_id)


class CrashPoints(Sequence[CrashPoint]):
    """What a run came by, in order, each point once.

    Printed as a list of names, without the workflow wherever that leaves no doubt.
    """

    def __init__(self) -> None:
        self._points: dict[str, CrashPoint] = {}
        self._shorts: dict[str, str] = {}
        self._ambiguous: set[str] = set()

    def add(self, point: CrashPoint) -> None:
        """Remember a point, if it is a new one."""
        if point.id in self._points:
            return
        self._points[point.id] = point
        if self._shorts.setdefault(point.short_id, point.id) != point.id:
            self._ambiguous.add(point.short_id)

    def name(self, point: CrashPoint) -> str:
        """The shortest name of a point that no other has."""
        return point.id if point.short_id in self._ambiguous else point.short_id

    def of(self, pattern: str) -> list[CrashPoint]:
        """The points that a pattern includes."""
        return [point for point in self if point.matches(pattern)]

    def nearest(self, pattern: str) -> list[str]:
        """The names that look most like one that there is not."""
        names = {self.name(point): None for point in self}
        found = difflib.get_close_matches(pattern, names, _SUGGESTIONS, cutoff=0.5)
        kind = pattern.partition(":")[0]
        return found or [name for name in names if name.startswith(f"{kind}:")][:_SUGGESTIONS]

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[CrashPoint]:
        return iter(self._points.values())

    def __getitem__(self, index: int | slice) -> CrashPoint | list[CrashPoint]:  # type: ignore[override]
        return list(self._points.values())[index]

    def __str__(self) -> str:
        return "\n".join(map(self.name, self))


def is_crash_point(point: CrashPoint) -> bool:
    """Whether a crash there is another than those at the places around it."""
    if point.kind == "activity":
        return point.moment != "after-report"
    return point.kind in CRASH_KINDS


def first_match(
    points: Iterable[CrashPoint], where: str | Callable[[CrashPoint], bool]
) -> CrashPoint | None:
    """The first of the points that a pattern or a predicate includes."""
    for point in points:
        if point.matches(where) if isinstance(where, str) else where(point):
            return point
    return None


@cache
def _matcher(pattern: str) -> Callable[[str], bool]:
    if "*" not in pattern:
        end = len(pattern)
        return lambda name: name.startswith(pattern) and name[end : end + 1] in _ENDS
    expression = ".*".join(map(re.escape, pattern.split("*")))
    found = re.compile(rf"{expression}(?:[:#@].*)?", re.DOTALL).fullmatch
    return lambda name: found(name) is not None
