"""`workflow.patched` and `workflow.deprecate_patch`: the marker, and how a history shows it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from temporalio.api.command.v1 import (
    RecordMarkerCommandAttributes,
    UpsertWorkflowSearchAttributesCommandAttributes,
)
from temporalio.api.common.v1 import Payload, Payloads, SearchAttributes
from temporalio.api.history.v1 import HistoryEvent

from timeskip.lanes.direct import event_types

MARKER_NAME = "core_patch"
_DETAILS = "patch-data"

#: Where a run's patches can be searched for.
SEARCH_ATTRIBUTE = "TemporalChangeVersion"

#: The service's limit for a search attribute; a longer list of patches is not upserted.
_LONGEST_LIST = 2048


def marker(patch_id: str, *, deprecated: bool) -> RecordMarkerCommandAttributes:
    """The marker that says that a run has taken the patched path."""
    details = json.dumps(
        {"id": patch_id, "deprecated": deprecated}, separators=(",", ":"), ensure_ascii=False
    )
    return RecordMarkerCommandAttributes(
        marker_name=MARKER_NAME,
        details={_DETAILS: Payloads(payloads=[_json_payload(details)])},
    )


def upsert(patch_ids: Iterable[str]) -> UpsertWorkflowSearchAttributesCommandAttributes | None:
    """Make the patches of a run searchable; None if they are too many."""
    listed = json.dumps(sorted(patch_ids), separators=(",", ":"), ensure_ascii=False)
    payload = _json_payload(listed)
    if len(payload.data) >= _LONGEST_LIST:
        return None
    payload.metadata["type"] = b"KeywordList"
    return UpsertWorkflowSearchAttributesCommandAttributes(
        search_attributes=SearchAttributes(indexed_fields={SEARCH_ATTRIBUTE: payload})
    )


def details_of(event: HistoryEvent) -> tuple[str, bool] | None:
    """The patch of a marker, and whether it is deprecated; None if it is no such marker."""
    if event.event_type != event_types.MARKER_RECORDED:
        return None
    attributes = event.marker_recorded_event_attributes
    if attributes.marker_name != MARKER_NAME:
        return None
    details = attributes.details
    try:
        if _DETAILS in details:
            found = json.loads(details[_DETAILS].payloads[0].data)
            return found["id"], found["deprecated"]
        # Old versions of the core wrote two payloads of plain bytes.
        name = details["patch_id"].payloads[0].data.decode()
        return name, details["deprecated"].payloads[0].data[0] != 0
    except (LookupError, TypeError, ValueError):
        return None


def is_upsert(event: HistoryEvent) -> bool:
    """Whether an event makes patches searchable."""
    return (
        event.event_type == event_types.UPSERTED
        and SEARCH_ATTRIBUTE
        in event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
    )


def _json_payload(text: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=text.encode())
