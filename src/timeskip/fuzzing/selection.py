"""Which crash points a sweep goes through."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from timeskip.errors import FaultPlanError
from timeskip.faults.crash_points import CrashPoint
from timeskip.faults.plan_text import check_pattern
from timeskip.histories.replaying.commands import Place

#: The lines of the workflow's code that a crash point is about.
LinesOf = Callable[[CrashPoint], Iterable[Place]]

_LINE = re.compile(r"(.+):(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class Selection:
    """Points that fit one of `patterns`, one of `workflows` and one of `lines`, as far as given.

    Attributes:
        patterns: As of faults: a kind such as "activity", or any other beginning of a name.
        workflows: Types or ids of workflows.
        lines: Lines of workflow code, "orders.py:41" or "orders.py:41-60": those from which the
            activity was called, or at which the workflow task has asked for something.
    """

    patterns: Sequence[str] = ()
    workflows: Sequence[str] = ()
    lines: Sequence[str] = ()

    def __post_init__(self) -> None:
        for pattern in self.patterns:
            check_pattern(pattern)
        for line in self.lines:
            if _LINE.fullmatch(line) is None:
                raise FaultPlanError(f"{line!r} is not a line of a file, such as orders.py:41")

    @classmethod
    def parse(cls, text: str) -> Selection:
        """A selection in one line: `activity update workflow=Order line=orders.py:41`."""
        words = [word.rpartition("=") for word in shlex.split(text)]
        unknown = [key for key, _, _ in words if key not in ("", "workflow", "line")]
        if unknown:
            raise FaultPlanError(f"{unknown[0]!r} is none of the words workflow and line")
        return cls(
            patterns=[value for key, _, value in words if not key],
            workflows=[value for key, _, value in words if key == "workflow"],
            lines=[value for key, _, value in words if key == "line"],
        )

    def includes(self, point: CrashPoint, lines_of: LinesOf) -> bool:
        """Whether a point is among them."""
        if self.patterns and not any(map(point.matches, self.patterns)):
            return False
        if self.workflows and not {point.workflow_id, point.workflow_type} & set(self.workflows):
            return False
        return not self.lines or any(
            _is_within(place, line) for place in lines_of(point) for line in self.lines
        )


def _is_within(place: Place, line: str) -> bool:
    found = _LINE.fullmatch(line)
    if found is None:
        return False
    wanted = os.path.normpath(found[1])
    ends_alike = place.path == wanted or place.path.endswith(os.sep + wanted)
    return ends_alike and int(found[2]) <= place.line <= int(found[3] or found[2])
