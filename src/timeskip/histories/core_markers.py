"""What the SDK's core writes into markers about local activities: data in JSON."""

from __future__ import annotations

import json
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import MarkerRecordedEventAttributes

LOCAL_ACTIVITY = "core_local_activity"


def local_activity_data(
    marker: MarkerRecordedEventAttributes,
) -> list[tuple[Payload, dict[str, Any]]]:
    """What the core says of the local activity, such as its `activity_type` and `attempt`, and where.

    One, as a rule. Empty if the marker is another, or somebody else has made one of that name.
    """
    if marker.marker_name != LOCAL_ACTIVITY or "data" not in marker.details:
        return []
    told = ((payload, _read(payload)) for payload in marker.details["data"].payloads)
    return [(payload, data) for payload, data in told if isinstance(data, dict)]


def _read(payload: Payload) -> object:
    try:
        return json.loads(payload.data)
    except ValueError:
        return None
