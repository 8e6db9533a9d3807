"""The replays of one simulation: of all its runs in the end, and of one that cannot go on."""

from __future__ import annotations

import contextlib
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import temporalio.api.history.v1
from temporalio.api.history.v1 import HistoryEvent

from timeskip.errors import ReplayFailed, ReplayWarning
from timeskip.frozen_time import real_time_shown
from timeskip.histories.history import History
from timeskip.histories.replaying.core import thread_surroundings
from timeskip.histories.replaying.ledger import ReplayLedger
from timeskip.histories.replaying.left_runs import LeftRun, explanation_of, require_replays
from timeskip.histories.replaying.recorded import replay_failure
from timeskip.histories.replaying.run import completed_part, was_nondeterministic
from timeskip.lanes.lane import Lane
from timeskip.lanes.worker_registry import KnownWorker
from timeskip.processes.messages import RecordedRun
from timeskip.processes.worker_process import WorkerProcess
from timeskip.processes.worker_processes import WorkerProcesses
from timeskip.server.run import Run
from timeskip.stall import unwatched

# In production a replay comes later, by the clock of the machine: a workflow that looks at it does
# something else then, and shall do so here.
thread_surroundings.append(real_time_shown)


_are_automatic = True


@contextlib.contextmanager
def automatic_replays(wanted: bool) -> Iterator[None]:
    """Within the block simulations replay their runs, or not, that do not say anything about it."""
    global _are_automatic
    before, _are_automatic = _are_automatic, wanted
    try:
        yield
    finally:
        _are_automatic = before


class Replays:
    """Knows which runs there are, and which worker ran which."""

    def __init__(self, server: Lane, ledger: ReplayLedger, auto_replay: bool | None) -> None:
        self._server = server
        self._ledger = ledger
        self._auto_replay = auto_replay
        #: By run, how many events it had when it was last replayed automatically.
        self._replayed: dict[str, int] = {}
        #: If there are workers in processes of their own.
        self.processes: WorkerProcesses | None = None

    def check_automatically(self) -> None:
        """Replay what has got on since the last time, if that is wanted."""
        wanted = _are_automatic if self._auto_replay is None else self._auto_replay
        if wanted:
            self.check(self._replayed)

    def check(self, but: dict[str, int] | None = None) -> None:
        """Replay every run; raises what `require_replays` does, and warns of what it forgives.

        `but`: by run, with how many events it need not be replayed; takes note of those that are.
        """
        cluster = self._server.service.cluster
        here: list[LeftRun] = []
        elsewhere: dict[WorkerProcess, list[RecordedRun]] = defaultdict(list)
        for run in self._server.call(lambda: list(cluster.runs.values())):
            events = len(run.history.events)
            if but is not None and but.get(run.run_id) == events:
                continue
            completed = _to_be_replayed(run)
            if not completed:
                continue
            if but is not None:
                but[run.run_id] = events
            identity = _last_identity(completed)
            process = self.processes and self.processes.that_worked(identity, run.task_queue)
            settings = self._ledger.answered.get(run.run_id)
            if process:
                elsewhere[process].append(_recorded(run.workflow_id, run.task_queue, completed))
            elif settings is not None and identity in self._ledger.identities:
                places = self._ledger.places.get(run.run_id, {})
                here.append(LeftRun(run.workflow_id, completed, settings, places))
        # A loop that is blocked meanwhile goes on when all of them are done, which takes its time.
        with unwatched():
            # The service may have a thread of its own, which would take this for a wait of the test's.
            hold = self._server.keeper.holds.take("what the test has left behind is replayed")
            try:
                told = require_replays(here, forgives_core=True)
            finally:
                hold.release()
            for process, runs in elsewhere.items():
                told += self.processes.replay(process, runs) if self.processes else []
        for each in told:
            warnings.warn(each, ReplayWarning, stacklevel=3)

    def failure(self, history: History, workers: Sequence[KnownWorker]) -> Exception | None:
        """Replay a history as the last of the workers that knows its workflow would.

        Why that failed, explained, or None if it did not. Blocks the thread that calls.
        """
        here = [each.replay for each in workers if each.replay is not None]
        known = [each for each in workers if _knows(each, history.workflow_type)]
        if self.processes is None or (known and known[-1].replay is not None):
            return replay_failure(history, here)
        process = self.processes.that_knows(history.workflow_type)
        if process is None:
            return replay_failure(history, here)
        worker, task_queue = process
        completed = completed_part(history.recorded.events)
        try:
            if completed:
                recorded = _recorded(history.workflow_id, task_queue, completed)
                self.processes.replay(worker, [recorded])
        except ReplayFailed as error:
            return error
        return None

    def why_nondeterministic(self, run: Run, message: str) -> str | None:
        """Why a workflow task has failed with the message, as far as replays can show it."""
        settings = self._ledger.begun.get(run.run_id)
        if settings is None:
            return None
        places = self._ledger.places.get(run.run_id, {})
        return explanation_of(settings, run.workflow_id, list(run.history.events), message, places)


def _knows(worker: KnownWorker, workflow_type: str) -> bool:
    if worker.replay is not None:
        return worker.replay.knows(workflow_type)
    return workflow_type in worker.workflows


def _to_be_replayed(run: Run) -> list[HistoryEvent]:
    """The part of a run that a worker has to go along with; nothing if there is none."""
    events = run.history.events
    if run.stands_still or was_nondeterministic(events):
        return []
    return completed_part(events)


def _last_identity(events: Iterable[HistoryEvent]) -> str:
    """Who has completed the last workflow task."""
    return [
        event.workflow_task_completed_event_attributes.identity
        for event in events
        if event.HasField("workflow_task_completed_event_attributes")
    ][-1]


def _recorded(workflow_id: str, task_queue: str, events: Iterable[HistoryEvent]) -> RecordedRun:
    history = temporalio.api.history.v1.History(events=events)
    return RecordedRun(workflow_id, task_queue, history.SerializeToString())
