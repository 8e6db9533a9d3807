"""What can be asked of a history."""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeVar

from temporalio.api.history.v1 import History
from temporalio.converter import DataConverter

from timeskip.histories.events import Event, Events
from timeskip.histories.operations import (
    Activity,
    Child,
    NexusOperation,
    Operation,
    Operations,
    Signal,
    Timer,
    Update,
    operations_of,
)

_ENDS = {
    "WorkflowExecutionCompleted": "completed",
    "WorkflowExecutionFailed": "failed",
    "WorkflowExecutionTimedOut": "timed out",
    "WorkflowExecutionCanceled": "canceled",
    "WorkflowExecutionTerminated": "terminated",
    "WorkflowExecutionContinuedAsNew": "continued as new",
}

Some = TypeVar("Some", bound=Operation)


class Expectations:
    """Events and what they tell of, to be asserted."""

    def __init__(self, decoded: History, converter: DataConverter) -> None:
        self.decoded = decoded
        self._converter = converter

    @cached_property
    def events(self) -> Events:
        """All events; `events("TimerStarted", ...)` are those that match a pattern."""
        return Events([Event(event, self._converter) for event in self.decoded.events])

    @property
    def workflow_type(self) -> str:
        """The name of the workflow's type."""
        return str(self.events.one("WorkflowExecutionStarted").workflow_type)

    @property
    def activities(self) -> Operations[Activity]:
        """Activities, local ones too, by number or by type: `activities["charge_card"].attempts`."""
        return self._all("activity", Activity)

    @property
    def timers(self) -> Operations[Timer]:
        """Timers, by number, or by summary or id."""
        return self._all("timer", Timer)

    @property
    def signals(self) -> Operations[Signal]:
        """Signals that the run received, by number or by name."""
        return self._all("signal", Signal)

    @property
    def updates(self) -> Operations[Update]:
        """Updates that the workflow accepted, by number or by name."""
        return self._all("update", Update)

    @property
    def children(self) -> Operations[Child]:
        """Child workflows, by number or by type."""
        return self._all("child", Child)

    @property
    def nexus_operations(self) -> Operations[NexusOperation]:
        """Nexus operations, by number or by `service.operation`."""
        return self._all("Nexus operation", NexusOperation)

    @property
    def status(self) -> str:
        """open, completed, failed, timed out, canceled, terminated or continued as new."""
        return _ENDS[self._end.type] if self._end is not None else "open"

    @property
    def result(self) -> Any:
        """What the workflow returned, as a plain value; None unless it has completed."""
        if self._end is None or self.status != "completed":
            return None
        return next(iter(self._end.attribute("result")), None)

    @property
    def failure(self) -> str | None:
        """The message of the failure that ended the run, if one did."""
        if self._end is None or self.status != "failed":
            return None
        return str(self._end.attribute("failure.message"))

    @cached_property
    def _end(self) -> Event | None:
        """The event that ended the run. What is of a newer server may follow on it."""
        return next((event for event in reversed(self.events) if event.type in _ENDS), None)

    @cached_property
    def _operations(self) -> list[Operation]:
        return operations_of(self.events)

    def _all(self, kind: str, of: type[Some]) -> Operations[Some]:
        return Operations(kind, [each for each in self._operations if isinstance(each, of)])
