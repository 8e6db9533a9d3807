"""Links to other events, which requests may carry."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.api.common.v1 import Link
from temporalio.api.enums.v1 import EventType

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.limits import MAX_LINKS


def validate_links(links: Sequence[Link]) -> None:
    """Refuse links with INVALID_ARGUMENT as the real server does."""
    if len(links) > MAX_LINKS:
        raise invalid_argument(
            f"cannot attach more than {MAX_LINKS} links per request, got {len(links)}"
        )
    for link in links:
        variant = link.WhichOneof("variant")
        if variant == "workflow_event":
            _validate_workflow_event(link.workflow_event)
        elif variant == "batch_job":
            if not link.batch_job.job_id:
                raise invalid_argument("batch job link must not have an empty job ID")
        else:
            raise invalid_argument("unsupported link variant")


def _validate_workflow_event(link: Link.WorkflowEvent) -> None:
    for field, value in (
        ("namespace", link.namespace),
        ("workflow ID", link.workflow_id),
        ("run ID", link.run_id),
    ):
        if not value:
            raise invalid_argument(f"workflow event link must not have an empty {field} field")
    event = link.event_ref
    if event.event_type == EventType.EVENT_TYPE_UNSPECIFIED and event.event_id != 0:
        raise invalid_argument(
            "workflow event link ref cannot have an unspecified event type and a non-zero event ID"
        )
