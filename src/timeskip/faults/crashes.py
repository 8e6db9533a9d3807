"""The crash that a crash point is named for."""

from __future__ import annotations

from timeskip.faults.crash_points import CrashPoint
from timeskip.faults.rules import Rule
from timeskip.faults.verdicts import EvictWorkflow, KillWorker, RestartServer, Verdict

_OTHER_THAN_DEATH: dict[str, Verdict] = {
    "sticky-cache": EvictWorkflow(),
    "server-restart": RestartServer(),
}


def crash_at(point: CrashPoint) -> Rule:
    """The rule by which just this happens, once: the worker dies, or whatever the point is about."""
    return Rule(_OTHER_THAN_DEATH.get(point.kind, KillWorker()), point.id)
