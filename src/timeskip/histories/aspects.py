"""How much of two histories has to be equal."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from google.protobuf.message import Message
from temporalio.api.history.v1 import History, HistoryEvent

from timeskip.histories.event_ids import keep_events
from timeskip.lanes.direct.sequences import COMMAND_EVENTS


class Aspect(Enum):
    """What of histories is compared."""

    EVENTS = "every event with every attribute"
    COMMANDS = "what the workflow itself did: its commands, and its answers to updates"
    SHAPE = "types of events, and the names of what they are about"


#: Attributes that name what an event is about, and, of messages in them, what is kept of these.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "accepted_request": ("input", "name"),
    "activity_type": ("name",),
    "marker_name": (),
    "operation": (),
    "service": (),
    "signal_name": (),
    "workflow_type": ("name",),
}


def reduce_to(aspect: Aspect, history: History) -> None:
    """Take out of a history, in place, what the aspect leaves out. Doing it twice changes nothing."""
    if aspect is Aspect.COMMANDS:
        keep_events(history, _is_command, forget_dropped=True)
        for number, event in enumerate(history.events, start=1):
            event.event_id = number
    elif aspect is Aspect.SHAPE:
        shape = History(events=map(_shape, history.events))
        history.CopyFrom(shape)


def _is_command(event: HistoryEvent) -> bool:
    return event.event_type in COMMAND_EVENTS


def _shape(event: HistoryEvent) -> HistoryEvent:
    shape = HistoryEvent(event_id=event.event_id, event_type=event.event_type)
    kind = event.WhichOneof("attributes")
    if kind is not None:
        source, target = getattr(event, kind), getattr(shape, kind)
        target.SetInParent()
        for field, value in source.ListFields():
            if field.name in _NAMES:
                _copy_name(field.name, value, target)
    return shape


def _copy_name(name: str, value: object, target: Message) -> None:
    for inner in _NAMES[name]:
        target = getattr(target, name)
        value = getattr(value, inner)
        name = inner
    setattr(target, name, value)
