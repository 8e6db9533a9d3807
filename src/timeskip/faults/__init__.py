"""Faults: what can go wrong between workers and service, where, and how often."""

from timeskip.faults.crash_points import CrashPoint, CrashPoints
from timeskip.faults.crashes import crash_at
from timeskip.faults.faults import Fault, Faults
from timeskip.faults.killers import Killer
from timeskip.faults.passage import Passage
from timeskip.faults.plan_text import parse_plan, plan_text
from timeskip.faults.rules import Rule
from timeskip.faults.verdicts import Verdict
from timeskip.server.errors import StatusCode

__all__ = [
    "CrashPoint",
    "CrashPoints",
    "Fault",
    "Faults",
    "Killer",
    "Passage",
    "Rule",
    "StatusCode",
    "Verdict",
    "crash_at",
    "parse_plan",
    "plan_text",
]
