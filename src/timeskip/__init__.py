"""Test Temporal workflows in Python: a simulated service, virtual time, faults, histories."""

from timeskip.errors import (
    ActivityNotRegistered,
    SimulationClosed,
    SimulationStuck,
    TimeskipError,
    TooManyAttempts,
    WorkflowTaskFailed,
)
from timeskip.installation import install, uninstall
from timeskip.simulation import RunRecord, Simulation

__all__ = [
    "ActivityNotRegistered",
    "RunRecord",
    "Simulation",
    "SimulationClosed",
    "SimulationStuck",
    "TimeskipError",
    "TooManyAttempts",
    "WorkflowTaskFailed",
    "install",
    "uninstall",
]
