"""Looking for faults that a test does not survive: sweeps, and what must hold whatever happens."""

from timeskip.fuzzing.endings import Ending, Endings
from timeskip.fuzzing.invariants import InvariantBroken, require_invariants
from timeskip.fuzzing.selection import Selection
from timeskip.fuzzing.sweeps import Sweep

__all__ = [
    "Ending",
    "Endings",
    "InvariantBroken",
    "Selection",
    "Sweep",
    "require_invariants",
]
