"""Updates that wait to be handled: as messages of a workflow task, or as events of the history."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.protocol.v1 import Message
from temporalio.api.update.v1 import Request

from timeskip.lanes.direct.machines.machine import FatalError


@dataclass
class UpdateRequest:
    """One update. It is handled after the event `sequencing_event_id`."""

    message_id: str
    protocol_instance_id: str
    sequencing_event_id: int
    request: Request


def of_message(message: Message) -> UpdateRequest:
    """The update that a workflow task brings; raises `FatalError` if it brings something else."""
    request = Request()
    if not message.body.Unpack(request):
        raise FatalError(f"timeskip knows no protocol message {message.body.type_url!r}")
    if message.WhichOneof("sequencing_id") != "event_id":
        raise FatalError(
            "Update request messages must contain an event sequencing id! This is a server bug."
        )
    return _checked(
        UpdateRequest(message.id, message.protocol_instance_id, message.event_id, request)
    )


def of_admitted(event: HistoryEvent) -> UpdateRequest:
    """The update that an event says the server has taken in."""
    request = event.workflow_execution_update_admitted_event_attributes.request
    update_id = request.meta.update_id
    return _checked(UpdateRequest(f"{update_id}/request", update_id, event.event_id, request))


def of_accepted(event: HistoryEvent) -> UpdateRequest:
    """The update that a replay has to handle, because an event says that it was accepted."""
    attributes = event.workflow_execution_update_accepted_event_attributes
    return _checked(
        UpdateRequest(
            attributes.accepted_request_message_id,
            attributes.protocol_instance_id,
            attributes.accepted_request_sequencing_event_id,
            attributes.accepted_request,
        )
    )


def _checked(asked: UpdateRequest) -> UpdateRequest:
    for field in ("input", "meta"):
        if not asked.request.HasField(field):
            raise FatalError(f"Update request's `{field}` field must be populated")
    return asked
