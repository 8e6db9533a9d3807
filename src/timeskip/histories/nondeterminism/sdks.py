"""Histories that the SDK of another language has recorded."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.api.history.v1 import HistoryEvent

_OURS = "temporal-python"

#: What the SDKs for Go and Java write into histories, and the core of the others knows nothing of.
_MARKERS = frozenset({"LocalActivity", "MutableSideEffect", "SideEffect", "Version"})

FOREIGN_ADVICE = """\
A history is replayed by the SDK that has recorded it: leave this one to the tests of the workflow
in that language."""

PORTED_ADVICE = """\
If the workflow was written anew in Python to go on with such runs, it has to ask for the same, in
the same order. If not, leave this history to the tests of the workflow in that language."""


def foreign_marker(event: HistoryEvent | None) -> str | None:
    """The name of a marker that only the SDKs for Go and Java write, if the event is one."""
    if event is None or not event.HasField("marker_recorded_event_attributes"):
        return None
    name = event.marker_recorded_event_attributes.marker_name
    return name if name in _MARKERS else None


def recording_sdk(events: Iterable[HistoryEvent], before: float = float("inf")) -> str | None:
    """The SDK whose worker asked for the event with id `before`, such as "temporal-go 1.34.0".

    None if that was the SDK for Python, or if the history does not tell, as old ones do not.
    """
    name = version = ""
    for event in events:
        if event.event_id >= before:
            break
        metadata = event.workflow_task_completed_event_attributes.sdk_metadata
        # Told by the first task, and again where another worker has taken over.
        name, version = metadata.sdk_name or name, metadata.sdk_version or version
    return f"{name} {version}".rstrip() if name and name != _OURS else None
