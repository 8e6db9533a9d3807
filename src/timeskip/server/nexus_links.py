"""Links between runs as Nexus requests carry them: as URLs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from temporalio.api.common.v1 import Link
from temporalio.api.enums.v1 import EventType
from temporalio.api.nexus.v1 import Link as NexusLink

from timeskip.server.validation.bad_commands import camel_case

_TYPE = Link.WorkflowEvent.DESCRIPTOR.full_name
_EVENT = "EventReference"
_REQUEST = "RequestIdReference"

_EVENT_NAMES = {
    number: camel_case(name.removeprefix("EVENT_TYPE_")) for name, number in EventType.items()
}
_EVENT_TYPES = {name: number for number, name in _EVENT_NAMES.items()}
_EVENT_TYPES.update(EventType.items())


def to_nexus(link: Link.WorkflowEvent) -> NexusLink:
    """A link to an event of a run."""
    path = "/".join(quote(part, safe="") for part in (link.workflow_id, link.run_id))
    reference: dict[str, Any] = {}
    if link.event_ref.event_id:
        reference["eventID"] = link.event_ref.event_id
    reference["eventType"] = _EVENT_NAMES[link.event_ref.event_type]
    reference["referenceType"] = _EVENT
    return NexusLink(
        url=f"temporal:///namespaces/{quote(link.namespace, safe='')}/workflows/{path}/history?"
        + urlencode(reference),
        type=_TYPE,
    )


def from_nexus(links: Iterable[NexusLink]) -> list[Link]:
    """Links to events of runs; others are left out."""
    read = (_read(link.url) for link in links if link.type == _TYPE)
    return [link for link in read if link is not None]


def _read(url: str) -> Link | None:
    parts = urlsplit(url)
    path = [unquote(part) for part in parts.path.split("/")]
    if parts.scheme != "temporal" or len(path) != 7:
        return None
    _, namespaces, namespace, workflows, workflow_id, run_id, history = path
    if (namespaces, workflows, history) != ("namespaces", "workflows", "history"):
        return None
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    event = Link.WorkflowEvent(namespace=namespace, workflow_id=workflow_id, run_id=run_id)
    event_type = _EVENT_TYPES.get(query.get("eventType", ""))
    if event_type is None:
        return None
    if query.get("referenceType") == _EVENT:
        event_id = query.get("eventID", "0")
        if not event_id.isdecimal():
            return None
        event.event_ref.event_id = int(event_id)
        event.event_ref.event_type = EventType.ValueType(event_type)
    elif query.get("referenceType") == _REQUEST:
        event.request_id_ref.request_id = query.get("requestID", "")
        event.request_id_ref.event_type = EventType.ValueType(event_type)
    else:
        return None
    return Link(workflow_event=event)
