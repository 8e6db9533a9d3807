"""Looking for faults that a test does not survive: sweeps, plans, and what must hold whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timeskip.fuzzing.endings import Ending, Endings
from timeskip.fuzzing.invariants import InvariantBroken, require_invariants
from timeskip.fuzzing.selection import Selection
from timeskip.fuzzing.surroundings import Surroundings, explore
from timeskip.fuzzing.sweeps import Sweep

if TYPE_CHECKING:
    from timeskip.fuzzing.plans import FaultPlan, PlanLimits, fault_plans, limits_of

__all__ = [
    "Ending",
    "Endings",
    "FaultPlan",
    "InvariantBroken",
    "PlanLimits",
    "Selection",
    "Surroundings",
    "Sweep",
    "explore",
    "fault_plans",
    "limits_of",
    "require_invariants",
]

_OF_HYPOTHESIS = ("FaultPlan", "PlanLimits", "fault_plans", "limits_of")


def __getattr__(name: str) -> Any:
    """What needs Hypothesis, which takes a while to import and is not needed by most tests."""
    if name in _OF_HYPOTHESIS:
        from timeskip.fuzzing import plans

        return getattr(plans, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
