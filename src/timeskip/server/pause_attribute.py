"""`TemporalPauseInfo`: the search attribute by which paused runs and activities are found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Payload

if TYPE_CHECKING:
    from timeskip.server.run import Run

_NAME = "TemporalPauseInfo"


def refresh(run: Run) -> None:
    """Let it say what is paused now.

    As on the real server it goes on naming activities that ended while they were paused, until
    something else is paused or unpaused.
    """
    entries = []
    if run.pause is not None:
        entries.append(f"Workflow:{run.workflow_id}")
        if run.pause.reason:
            entries.append(f"Reason:{run.pause.reason}")
    for activity in run.activities.values():
        entry = f"property:activityType={activity.scheduled.activity_type.name}"
        if activity.pause is not None and entry not in entries:
            entries.append(entry)
    if not entries:
        run.search_attributes.pop(_NAME, None)
        return
    run.search_attributes[_NAME] = Payload(
        metadata={"encoding": b"json/plain", "type": b"KeywordList"},
        data=json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode(),
    )
