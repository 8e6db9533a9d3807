"""The instants that the SDK writes into the markers of local activities."""

from __future__ import annotations

import json

from temporalio.api.history.v1 import History

_MARKER_NAME = "core_local_activity"
_TIMES = ("complete_time", "original_schedule_time")
_NO_TIME = {"seconds": 0, "nanos": 0}


def clear_marker_times(history: History) -> None:
    """Leave, in place, nothing of these but whether there is one."""
    for event in history.events:
        marker = event.marker_recorded_event_attributes
        if marker.marker_name != _MARKER_NAME:
            continue
        for payload in marker.details["data"].payloads if "data" in marker.details else ():
            try:
                data = json.loads(payload.data)
            except ValueError:  # somebody else has made a marker of that name
                continue
            if isinstance(data, dict):
                told = {name: _NO_TIME for name in _TIMES if data.get(name) is not None}
                payload.data = json.dumps({**data, **told}, separators=(",", ":")).encode()
