"""What a workflow says of itself while it runs: its search attributes and its memo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Memo, Payload, SearchAttributes
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import (
    HistoryEvent,
    UpsertWorkflowSearchAttributesEventAttributes,
    WorkflowPropertiesModifiedEventAttributes,
)

from timeskip.server.applied_events import applies

if TYPE_CHECKING:
    from timeskip.server.run import Run


def upsert_search_attributes(
    run: Run, upserted: SearchAttributes, completed_id: int
) -> HistoryEvent:
    return run.add(
        EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        UpsertWorkflowSearchAttributesEventAttributes(
            workflow_task_completed_event_id=completed_id, search_attributes=upserted
        ),
    )


def modify_memo(run: Run, upserted: Memo, completed_id: int) -> HistoryEvent:
    return run.add(
        EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
        WorkflowPropertiesModifiedEventAttributes(
            workflow_task_completed_event_id=completed_id, upserted_memo=upserted
        ),
    )


@applies(EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES)
def _merge_search_attributes(run: Run, event: HistoryEvent) -> None:
    attributes = event.upsert_workflow_search_attributes_event_attributes
    _merge(run.search_attributes, attributes.search_attributes.indexed_fields)


@applies(EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED)
def _merge_memo(run: Run, event: HistoryEvent) -> None:
    _merge(run.memo, event.workflow_properties_modified_event_attributes.upserted_memo.fields)


def _merge(entries: dict[str, Payload], upserted: Mapping[str, Payload]) -> None:
    """Null and the empty list take an entry away."""
    for name, payload in upserted.items():
        if payload.data in (b"", b"null", b"[]"):
            entries.pop(name, None)
        else:
            entries[name] = payload
