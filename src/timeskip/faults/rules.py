"""A rule: where, what, how often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from timeskip.faults.crash_points import CrashPoint, first_match
from timeskip.faults.verdicts import Verdict

#: A pattern (see `timeskip.faults.crash_points`), or a function that is asked about each point.
Where = str | Callable[[CrashPoint], bool]


@dataclass(eq=False)
class Rule:
    """A fault. Of several rules that match, the first that was given acts.

    Attributes:
        verdict: What happens.
        at: Where: a pattern or a predicate.
        times: How often at most; None: every time.
        skip: How many times it lets pass before.
        optional: Whether it is all the same if it never acts.
        matched: How often something came by where it applies.
        acted_at: Where it acted, in order.
    """

    verdict: Verdict
    at: Where
    times: int | None = 1
    skip: int = 0
    optional: bool = False
    matched: int = 0
    acted_at: list[CrashPoint] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How often it acted."""
        return len(self.acted_at)

    def match(self, points: Sequence[CrashPoint]) -> CrashPoint | None:
        """Where it acts on what comes by these points; None if it lets it pass."""
        if self.times is not None and self.count >= self.times:
            return None
        found = first_match(points, self.at)
        if found is None:
            return None
        self.matched += 1
        if self.matched <= self.skip:
            return None
        self.acted_at.append(found)
        return found
