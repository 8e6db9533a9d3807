"""The instants that the SDK writes into the markers of local activities."""

from __future__ import annotations

import json

from temporalio.api.history.v1 import History

from timeskip.histories.core_markers import local_activity_data

_TIMES = ("complete_time", "original_schedule_time")
_NO_TIME = {"seconds": 0, "nanos": 0}


def clear_marker_times(history: History) -> None:
    """Leave, in place, nothing of these but whether there is one."""
    for event in history.events:
        marker = event.marker_recorded_event_attributes
        for payload, data in local_activity_data(marker):
            told = {name: _NO_TIME for name in _TIMES if data.get(name) is not None}
            payload.data = json.dumps({**data, **told}, separators=(",", ":")).encode()
