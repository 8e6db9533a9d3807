"""How a callback says which Nexus operation it is about. Opaque to everybody else."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from timeskip.server.nexus_operations import NexusOperation

_HEADER = "temporal-callback-token"
_VERSION = 1


class CallbackToken(NamedTuple):
    """The operation that a workflow has scheduled."""

    namespace: str
    workflow_id: str
    run_id: str
    scheduled_event_id: int
    request_id: str


def header_of(operation: NexusOperation) -> dict[str, str]:
    """The header of the callback that completes an operation."""
    run = operation.run
    token = CallbackToken(
        run.namespace.name,
        run.workflow_id,
        run.run_id,
        operation.scheduled_event_id,
        operation.scheduled.request_id,
    )
    data = base64.b64encode(json.dumps(token).encode()).decode()
    return {_HEADER: json.dumps({"v": _VERSION, "d": data}, separators=(",", ":"))}


def read(header: Mapping[str, str]) -> CallbackToken | None:
    """The token of a callback with that header, or None if it has none of ours."""
    try:
        envelope = json.loads(header.get(_HEADER, ""))
        return CallbackToken(*json.loads(base64.b64decode(envelope["d"])))
    except (ValueError, TypeError, KeyError, binascii.Error):  # anybody may send anything
        return None
