"""What events change in the state of their run.

An event takes effect when it is added, be it appended at once or buffered; and it takes the same
effect again when a run is rebuilt from the history of another one. So whatever a run holds open (its
activities, timers, children, updates ...) follows from its events alone. Each concept's file says here
what its own events do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

if TYPE_CHECKING:
    from timeskip.server.run import Run

Effect = Callable[["Run", HistoryEvent], None]

_EFFECTS: dict[int, Effect] = {}


def applies(*event_types: EventType.ValueType) -> Callable[[Effect], Effect]:
    """Register what events of these types change. A buffered event has no id yet."""

    def register(effect: Effect) -> Effect:
        for event_type in event_types:
            _EFFECTS[event_type] = effect
        return effect

    return register


def apply(run: Run, event: HistoryEvent) -> None:
    """Change the run's state as the event says."""
    effect = _EFFECTS.get(event.event_type)
    if effect is not None:
        effect(run, event)
