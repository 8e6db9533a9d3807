"""Whether the code of today goes along with what was recorded."""

from __future__ import annotations

from collections.abc import Iterable

from timeskip.errors import ReplayFailed
from timeskip.histories.history import History
from timeskip.histories.replaying.core import BrokenHistory
from timeskip.histories.replaying.left_runs import LeftRun, require_replays
from timeskip.histories.replaying.run import completed_part
from timeskip.histories.replaying.settings import ReplaySettings


def replay_failure(history: History, workers: Iterable[ReplaySettings]) -> Exception | None:
    """Replay the history as the last of the workers that knows its workflow would.

    Why that failed, explained, or None if it did not. Blocks the thread that calls.
    """
    known = [settings for settings in workers if settings.knows(history.workflow_type)]
    if not known:
        return LookupError(f"no worker of this test has a workflow {history.workflow_type!r}")
    events = completed_part(history.recorded.events)
    if not events:
        return None
    try:
        require_replays(
            [LeftRun(history.workflow_id, events, known[-1], places={})], forgives_core=True
        )
    except (ReplayFailed, BrokenHistory) as error:
        return error
    return None
