"""`workflow.patched` and `workflow.deprecate_patch`: the marker, and what it looks like in a history."""

from __future__ import annotations

import json
from collections.abc import Iterable

from temporalio.api.command.v1 import (
    Command,
    RecordMarkerCommandAttributes,
    UpsertWorkflowSearchAttributesCommandAttributes,
)
from temporalio.api.common.v1 import Payload, Payloads, SearchAttributes
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.history.v1 import HistoryEvent

MARKER_NAME = "core_patch"
_DETAILS = "patch-data"

#: Where a run's patches can be searched for.
SEARCH_ATTRIBUTE = "TemporalChangeVersion"

#: The service's limit for a search attribute; a longer list of patches is not upserted.
_LONGEST_LIST = 2048


def marker_command(patch_id: str, *, deprecated: bool) -> Command:
    """The marker that says that a run has taken the patched path."""
    details = json.dumps({"id": patch_id, "deprecated": deprecated}, separators=(",", ":"))
    return Command(
        command_type=CommandType.COMMAND_TYPE_RECORD_MARKER,
        record_marker_command_attributes=RecordMarkerCommandAttributes(
            marker_name=MARKER_NAME,
            details={_DETAILS: Payloads(payloads=[_json_payload(details)])},
        ),
    )


def upsert_command(patch_ids: Iterable[str]) -> Command | None:
    """Make the patches of a run searchable, unless they are too many."""
    listed = json.dumps(sorted(patch_ids), separators=(",", ":"), ensure_ascii=False)
    payload = _json_payload(listed)
    if len(payload.data) >= _LONGEST_LIST:
        return None
    payload.metadata["type"] = b"KeywordList"
    return Command(
        command_type=CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        upsert_workflow_search_attributes_command_attributes=(
            UpsertWorkflowSearchAttributesCommandAttributes(
                search_attributes=SearchAttributes(indexed_fields={SEARCH_ATTRIBUTE: payload})
            )
        ),
    )


def details_of(event: HistoryEvent) -> tuple[str, bool] | None:
    """The patch that a marker is for, and whether it is deprecated; None if it is no such marker."""
    if event.event_type != EventType.EVENT_TYPE_MARKER_RECORDED:
        return None
    marker = event.marker_recorded_event_attributes
    if marker.marker_name != MARKER_NAME or _DETAILS not in marker.details:
        return None
    found = json.loads(marker.details[_DETAILS].payloads[0].data)
    return found["id"], bool(found["deprecated"])


def is_patch_upsert(event: HistoryEvent) -> bool:
    return (
        event.event_type == EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES
        and SEARCH_ATTRIBUTE
        in event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
    )


def _json_payload(text: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=text.encode())
