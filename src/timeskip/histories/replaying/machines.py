"""The direct lane's state machines of one run, noting who asked for what and where it breaks off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from temporalio.api.command.v1 import Command
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_commands import WorkflowCommand

from timeskip.clock import Nanoseconds
from timeskip.histories.replaying.commands import IssuedCommand
from timeskip.lanes.direct import local_activity_markers
from timeskip.lanes.direct.cached_run import failure_of
from timeskip.lanes.direct.flags import Flags
from timeskip.lanes.direct.machines.machine import FatalError, Machine, NondeterminismError
from timeskip.lanes.direct.versioning import VersionOfTask
from timeskip.lanes.direct.workflow_machines import RunIdentity, WorkflowMachines


@dataclass(frozen=True)
class Mismatch:
    """Where history and code part ways.

    `event`: the recorded event that fits nothing, if it is about one. `command`: the command that
    stood first in the line instead, if any did. `message` is in the core's words.
    """

    event: HistoryEvent | None
    command: IssuedCommand | None
    message: str


class ObservedMachines(WorkflowMachines):
    """Machines that know where in the workflow's code each of their commands was issued."""

    def __init__(
        self,
        run: RunIdentity,
        flags: Flags,
        version: VersionOfTask,
        now: Callable[[], Nanoseconds],
    ) -> None:
        super().__init__(run, flags, version, now)
        self.mismatch: Mismatch | None = None
        #: Whether there are more workflow tasks in the history than they are given.
        self.history_goes_on = False
        self._expected: list[IssuedCommand] = []
        self._asking: IssuedCommand | None = None
        #: By machine and kind of command; with 0 for machines that need not send any.
        self._issued: dict[tuple[Machine, int], list[IssuedCommand]] = defaultdict(list)

    def uses_flag(self, flag: int) -> bool:
        """As the worker does that replays the whole history: its last task alone is new to it."""
        return self.flags.try_use(flag, record=self.on_last_portion and not self.history_goes_on)

    def expect(self, issued: Iterable[IssuedCommand]) -> None:
        """The commands of the answer that comes next, with their places."""
        self._expected = list(issued)

    def take_commands(self, commands: Iterable[WorkflowCommand]) -> None:
        try:
            super().take_commands(self._one_by_one(commands))
        except (NondeterminismError, FatalError) as error:
            self._broke_off(None, self._asking, error)
            raise
        finally:
            self._asking = None

    def _one_by_one(self, commands: Iterable[WorkflowCommand]) -> Iterator[WorkflowCommand]:
        for command in commands:
            self._asking = next((one for one in self._expected if one.sent == command), None)
            if self._asking is not None:
                self._expected.remove(self._asking)
            yield command

    def add_command(self, machine: Machine, command: Command) -> None:
        super().add_command(machine, command)
        self._note(machine, command.command_type)

    def remember(self, kind: str, seq: int, machine: Machine) -> None:
        super().remember(kind, seq, machine)
        self._note(machine, 0)

    def _note(self, machine: Machine, kind: int) -> None:
        if self._asking is not None:
            self._issued[machine, kind].append(self._asking)

    def _handle(self, event: HistoryEvent, following: HistoryEvent | None) -> bool:
        line = [(machine, command.command_type) for machine, command in self._sent]
        try:
            skips = super()._handle(event, following)
        except (NondeterminismError, FatalError) as error:
            # Whoever left the line last did so for this event, and did not fit.
            left = len(line) - len(self._sent)
            first = self._local_activity(event) or (line[max(left - 1, 0)] if line else None)
            self._broke_off(event, self._next_of(first) if first is not None else None, error)
            raise
        left = len(line) - len(self._sent)
        if left and (issued := self._next_of(line[left - 1])) is not None:
            # A patch also leads to a search attribute.
            issued.event = issued.event or event
        return skips

    def _next_of(self, sent: tuple[Machine, int]) -> IssuedCommand | None:
        """The command that stands in the line: an update has one each for acceptance and result."""
        issued = self._issued.get(sent, [])
        return next((each for each in issued if each.event is None), issued[-1] if issued else None)

    def _local_activity(self, event: HistoryEvent) -> tuple[Machine, int] | None:
        """The local activity that a marker speaks of, which needs not be in the line."""
        if not local_activity_markers.is_marker(event):
            return None
        machine = self._by_seq.get(("LocalActivity", local_activity_markers.read(event).seq))
        return (machine, 0) if machine is not None else None

    def _broke_off(
        self,
        event: HistoryEvent | None,
        command: IssuedCommand | None,
        error: NondeterminismError | FatalError,
    ) -> None:
        if self.mismatch is None:
            self.mismatch = Mismatch(event, command, failure_of(error).failure.message)
