"""What the SDK's core writes into a history about a local activity: a marker, with data in JSON."""

from __future__ import annotations

import json
from typing import Any

from temporalio.api.history.v1 import MarkerRecordedEventAttributes

NAME = "core_local_activity"


def data_of(marker: MarkerRecordedEventAttributes) -> dict[str, Any] | None:
    """What the core says of the local activity, such as its `activity_type` and `attempt`.

    None if the marker is another, or somebody else has made one of that name.
    """
    if marker.marker_name != NAME or "data" not in marker.details:
        return None
    try:
        data = json.loads(marker.details["data"].payloads[0].data)
    except (IndexError, ValueError):
        return None
    return data if isinstance(data, dict) else None
