"""Histories of workflow runs: comparing them, asking them, keeping them in files."""

from timeskip.histories.aspects import Aspect
from timeskip.histories.comparison import Difference, first_difference
from timeskip.histories.corpus import HistoryFolder, ReplayedFile, Verdict
from timeskip.histories.events import Event, Events, Pattern, event
from timeskip.histories.explanation import difference_lines, explain_inequality
from timeskip.histories.golden import GoldenHistory, GoldenOutcome
from timeskip.histories.history import History, Terms
from timeskip.histories.nondeterminism.causes import Cause
from timeskip.histories.nondeterminism.explanation import Explanation
from timeskip.histories.normal_form import EVERYTHING_IGNORED, Ignored, RunNames, normal_form
from timeskip.histories.operations import (
    Activity,
    Child,
    NexusOperation,
    Operation,
    Operations,
    Signal,
    Timer,
    Update,
)
from timeskip.histories.replaying.commands import Place
from timeskip.histories.replaying.core import BrokenHistory
from timeskip.histories.replaying.history import Replayable, explain, replay, replay_eras
from timeskip.histories.replaying.stop import ReplayedWorkflow, replay_to

__all__ = [
    "EVERYTHING_IGNORED",
    "Activity",
    "Aspect",
    "BrokenHistory",
    "Cause",
    "Child",
    "Difference",
    "Event",
    "Events",
    "Explanation",
    "GoldenHistory",
    "GoldenOutcome",
    "History",
    "HistoryFolder",
    "Ignored",
    "NexusOperation",
    "Operation",
    "Operations",
    "Pattern",
    "Place",
    "Replayable",
    "ReplayedFile",
    "ReplayedWorkflow",
    "RunNames",
    "Signal",
    "Terms",
    "Timer",
    "Update",
    "Verdict",
    "difference_lines",
    "event",
    "explain",
    "explain_inequality",
    "first_difference",
    "normal_form",
    "replay",
    "replay_eras",
    "replay_to",
]
