"""The simulations that run in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from timeskip import left_calls

if TYPE_CHECKING:
    from timeskip.simulation import Simulation

_running: WeakSet[Simulation] = WeakSet()


def begun(simulation: Simulation) -> None:
    """It runs from now on."""
    _running.add(simulation)


def ended(simulation: Simulation) -> None:
    """It runs no longer. Harmless if it never did."""
    _running.discard(simulation)
    left_calls.guard_exit()


def running_simulations() -> list[Simulation]:
    """Those that have been started and not stopped, in no particular order."""
    return list(_running)
