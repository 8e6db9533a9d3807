"""What all state machines have in common: a table, a state, and the run that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob

from timeskip.lanes.direct import rust_text

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines

#: What happens on a transition; called with what caused it. Where the table leaves more than one
#: state to choose from, it returns the one that the machine is in from now on.
Action = Callable[[Any, Any], "str | None"]

#: From (state, trigger) to (next state, action), or to (all possible next states, action).
Table = Mapping[tuple[str, str], tuple["str | tuple[str, ...]", "Action | None"]]


class NondeterminismError(Exception):
    """The workflow does not do what its history says that it did."""


class FatalError(Exception):
    """The history itself cannot be: not the workflow's fault."""


class Machine:
    """One thing that the workflow asked for, or that the history tells it."""

    #: What the error says if an event cannot be for this kind of machine. {event} is the event in a
    #: few words, {full_event} the whole of it.
    MISFIT: ClassVar[str]
    TABLE: ClassVar[Table]
    #: Which trigger each kind of event is.
    EVENTS: ClassVar[Mapping[EventType.ValueType, str]]
    #: Which trigger it is that a command of the machine gets into the line to the server.
    COMMANDS: ClassVar[Mapping[CommandType.ValueType, str]] = {}
    INITIAL: ClassVar[str]
    #: States that no row of the table leads out of.
    FINAL: ClassVar[frozenset[str]]

    #: Whether the workflow took it back before the server heard of it.
    cancelled_before_sent = False

    def __init_subclass__(cls) -> None:
        rows = getattr(cls, "TABLE", None)
        if rows is not None:
            left = {state for state, _ in rows}
            reached = {state for target, _ in rows.values() for state in targets_of(target)}
            cls.FINAL = frozenset(reached - left)

    def __init__(self, machines: WorkflowMachines) -> None:
        self.machines = machines
        self.state = self.INITIAL

    @property
    def is_final(self) -> bool:
        return self.state in self.FINAL

    def trigger(self, name: str, cause: Any = None) -> None:
        """Move along the table because of something that the workflow did."""
        if (self.state, name) not in self.TABLE:
            raise NondeterminismError("Invalid transition in state machine")
        self._move(name, cause)

    def handle_event(self, event: HistoryEvent) -> None:
        """Move along the table because of an event of the history that is for this machine."""
        name = self.event_trigger(event)
        if (self.state, name) not in self.TABLE:
            raise FatalError(
                f"{type(self).__name__} in state {self.state} says the transition is invalid "
                f"during event EventInfo {{ event_id: {event.event_id}, "
                f"event_type: {rust_text.event_type_name(event.event_type)} }}"
            )
        self._move(name, event)

    def event_trigger(self, event: HistoryEvent) -> str:
        """Which trigger an event is; raises `NondeterminismError` if it is for another machine."""
        name = self.EVENTS.get(event.event_type)
        if name is None:
            raise self.misfit(event)
        return name

    def misfit(self, event: HistoryEvent) -> NondeterminismError:
        """The error that says that an event cannot be for this machine."""
        text = self.MISFIT
        if "{full_event}" in text:
            return NondeterminismError(text.format(full_event=rust_text.full(event)))
        return NondeterminismError(text.format(event=rust_text.short(event)))

    def handle_command(self, command: Command) -> None:
        """Move along the table because a command of the machine goes to the server."""
        name = self.COMMANDS[command.command_type]
        if (self.state, name) not in self.TABLE:
            kind = rust_text.command_type_name(command.command_type)
            raise NondeterminismError(
                f"Unexpected command producing an invalid transition {kind} in state {self.state}"
            )
        self._move(name, command)

    def send(self, command: Command) -> None:
        """Ask the server for something."""
        self.machines.add_command(self, command)

    def tell(self, job: WorkflowActivationJob) -> None:
        """Tell the workflow something with its next activation."""
        self.machines.add_job(job)

    def _move(self, name: str, cause: Any) -> None:
        target, action = self.TABLE[self.state, name]
        if isinstance(target, str):
            # Before the action, which may have the machine told of something else at once.
            self.state = target
            if action is not None:
                action(self, cause)
            return
        assert action is not None
        chosen = action(self, cause)
        assert chosen in target
        self.state = chosen


def targets_of(target: str | tuple[str, ...]) -> tuple[str, ...]:
    """The states that a row of a table may lead to."""
    return (target,) if isinstance(target, str) else target
