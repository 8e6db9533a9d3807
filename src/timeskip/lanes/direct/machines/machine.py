"""What all state machines have in common: a table, a state, and the run that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines

#: What happens on a transition; called with what caused it.
Action = Callable[[Any, Any], None]

#: From (state, trigger) to (next state, action).
Table = Mapping[tuple[str, str], tuple[str, "Action | None"]]


class NondeterminismError(Exception):
    """The workflow does not do what its history says that it did."""


class FatalError(Exception):
    """The history itself cannot be: not the workflow's fault."""


def told(event: HistoryEvent) -> str:
    """An event as the core names it in its messages."""
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
    return f"HistoryEvent(id: {event.event_id}, {name.title().replace('_', '')})"


class Machine:
    """One thing that the workflow asked for."""

    #: Begins the message when an event cannot be for this kind of machine.
    TITLE: ClassVar[str]
    TABLE: ClassVar[Table]
    #: Which trigger each kind of event is.
    TRIGGERS: ClassVar[Mapping[EventType.ValueType, str]]
    INITIAL: ClassVar[str]
    #: States in which nothing is expected any more.
    FINAL: ClassVar[frozenset[str]]

    #: Whether the workflow took it back before the server heard of it.
    cancelled_before_sent = False

    def __init__(self, machines: WorkflowMachines) -> None:
        self.machines = machines
        self.state = self.INITIAL

    @property
    def is_final(self) -> bool:
        return self.state in self.FINAL

    def trigger(self, name: str, cause: Any = None) -> None:
        """Move along the table."""
        row = self.TABLE.get((self.state, name))
        if row is None:
            raise NondeterminismError("Invalid transition in state machine")
        self.state, action = row
        if action is not None:
            action(self, cause)

    def handle_event(self, event: HistoryEvent) -> None:
        """Take an event of the history that is for this machine."""
        name = self.TRIGGERS.get(event.event_type)
        if name is None:
            raise NondeterminismError(f"{self.TITLE} does not handle this event: {told(event)}")
        self.trigger(name, event)

    def command_sent(self, command: Command) -> None:
        """The command is among those that go to the server."""

    def send(self, command: Command) -> None:
        """Ask the server for something."""
        self.machines.add_command(self, command)

    def tell(self, job: WorkflowActivationJob) -> None:
        """Tell the workflow something with its next activation."""
        self.machines.add_job(job)
