"""The replays of one simulation: of all its runs in the end, and of one that cannot go on."""

from __future__ import annotations

import warnings

from timeskip.errors import ReplayWarning
from timeskip.frozen_time import real_time_shown
from timeskip.histories.replaying.core import thread_surroundings
from timeskip.histories.replaying.ledger import ReplayLedger
from timeskip.histories.replaying.left_runs import LeftRun, explanation_of, require_replays
from timeskip.histories.replaying.run import completed_part, was_nondeterministic
from timeskip.lanes.lane import Lane
from timeskip.server.run import Run

# In production a replay comes later, by the clock of the machine: a workflow that looks at it does
# something else then, and shall do so here.
thread_surroundings.append(real_time_shown)


class Replays:
    """Knows which runs there are, and which worker ran which."""

    def __init__(self, server: Lane, ledger: ReplayLedger) -> None:
        self._server = server
        self._ledger = ledger

    def check(self) -> None:
        """Replay every run; raises what `require_replays` does, and warns of what it forgives."""
        cluster = self._server.service.cluster
        runs = self._server.call(lambda: list(cluster.runs.values()))
        left = [left for run in runs if (left := self._left(run)) is not None]
        for told in require_replays(left, forgives_core=True):
            warnings.warn(told, ReplayWarning, stacklevel=3)

    def why_nondeterministic(self, run: Run, message: str) -> str | None:
        """Why a workflow task has failed with the message, as far as replays can show it."""
        settings = self._ledger.begun.get(run.run_id)
        if settings is None:
            return None
        places = self._ledger.places.get(run.run_id, {})
        return explanation_of(settings, run.workflow_id, list(run.history.events), message, places)

    def _left(self, run: Run) -> LeftRun | None:
        """The run as it is to be replayed, if a worker of this process has got on with it."""
        settings = self._ledger.answered.get(run.run_id)
        events = run.history.events
        if settings is None or run.stands_still or was_nondeterministic(events):
            return None
        completed = completed_part(events)
        if not completed:
            return None
        return LeftRun(
            run.workflow_id, completed, settings, self._ledger.places.get(run.run_id, {})
        )
