"""What a run started or was told, and what came of it: activities, timers, children, messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar, overload

from temporalio.api.failure.v1 import Failure

from timeskip.errors import NotInHistory
from timeskip.histories.core_markers import LOCAL_ACTIVITY
from timeskip.histories.events import Event


@dataclass
class Operation:
    """Something of a run. `events` are all that tell of it, in their order."""

    name: str
    id: str
    status: str = "open"
    """open, completed, failed, timed out, canceled or terminated; a timer has fired, or is canceled."""
    args: list[Any] = field(default_factory=list)
    """What it was given, as plain values."""
    result: Any = None
    """What it returned, as a plain value."""
    failure: str | None = None
    """The message of the failure that ended it."""
    events: list[Event] = field(default_factory=list, repr=False)


@dataclass
class Activity(Operation):
    """An activity, with all its attempts; its name is its type."""

    attempts: int = 0
    """How often it was started, as far as the history tells: it does when the activity has ended."""
    last_failure: str | None = None
    """The message of the failure of the attempt before the last."""
    is_local: bool = False


@dataclass
class Timer(Operation):
    """A timer; its name is what the workflow has it summarised as, or else its id."""

    duration: timedelta = timedelta(0)


@dataclass
class Child(Operation):
    """A child workflow; its name is its type, its id the workflow id."""


@dataclass
class Update(Operation):
    """An update that the workflow has accepted."""


@dataclass
class Signal(Operation):
    """A signal that the run received. Nothing comes of it but what the workflow does."""


@dataclass
class NexusOperation(Operation):
    """An operation of a Nexus service; its name is `service.operation`."""


Some = TypeVar("Some", bound=Operation)


class Operations(Sequence[Some], Generic[Some]):
    """Operations in the order of their beginnings, by number or by name."""

    def __init__(self, kind: str, operations: Sequence[Some]) -> None:
        self._kind = kind
        self._operations = operations

    @property
    def names(self) -> list[str]:
        """The name of each, in their order."""
        return [each.name for each in self._operations]

    def named(self, name: str) -> Operations[Some]:
        """All of this name, perhaps none."""
        return Operations(self._kind, [each for each in self._operations if each.name == name])

    @overload
    def __getitem__(self, key: int | str) -> Some: ...
    @overload
    def __getitem__(self, key: slice) -> Operations[Some]: ...
    def __getitem__(self, key: int | str | slice) -> Some | Operations[Some]:
        if isinstance(key, slice):
            return Operations(self._kind, self._operations[key])
        if isinstance(key, int):
            if not -len(self) <= key < len(self):
                raise NotInHistory(f"there is no {self._kind} number {key}; {self._told()}")
            return self._operations[key]
        found = self.named(key)
        if len(found) == 1:
            return found[0]
        if found:
            raise NotInHistory(
                f"{len(found)} {self._plural} are named {key!r}: choose one with .named({key!r})[0]"
            )
        near = difflib.get_close_matches(key, self.names, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise NotInHistory(f"there is no {self._kind} named {key!r}.{meant} {self._told()}")

    @property
    def _plural(self) -> str:
        return {"activity": "activities", "child": "children"}.get(self._kind, f"{self._kind}s")

    def _told(self) -> str:
        if not self._operations:
            return f"The history has no {self._plural}."
        return f"The {self._plural} of the history: {', '.join(self.names)}."

    def __contains__(self, name: object) -> bool:
        return name in self.names or any(each is name for each in self._operations)

    def __len__(self) -> int:
        return len(self._operations)

    def __iter__(self) -> Iterator[Some]:
        return iter(self._operations)

    def __repr__(self) -> str:
        return repr(list(self._operations))


_OPENINGS = {
    "ActivityTaskScheduled": Activity,
    "TimerStarted": Timer,
    "StartChildWorkflowExecutionInitiated": Child,
    "WorkflowExecutionUpdateAccepted": Update,
    "WorkflowExecutionSignaled": Signal,
    "NexusOperationScheduled": NexusOperation,
}

#: What events of a type say of the operation whose opening they refer to.
_STATUSES = {
    "Completed": "completed",
    "Failed": "failed",
    "TimedOut": "timed out",
    "Canceled": "canceled",
    "Terminated": "terminated",
    "Fired": "fired",
}
_OPENED_BY = (
    ("ActivityTask", "scheduled_event_id"),
    ("Timer", "started_event_id"),
    ("ChildWorkflowExecution", "initiated_event_id"),
    ("StartChildWorkflowExecutionFailed", "initiated_event_id"),
    ("WorkflowExecutionUpdateCompleted", "accepted_event_id"),
    ("NexusOperation", "scheduled_event_id"),
)


def operations_of(events: Sequence[Event]) -> list[Operation]:
    """Everything that the events tell of, in the order of the beginnings."""
    opened: dict[int, Operation] = {}
    for event in events:
        if event.type in _OPENINGS:
            opened[event.id] = _open(event)
        elif event.type == "MarkerRecorded" and _tells_of_local_activity(event):
            opened[event.id] = _local_activity(event)
        else:
            number = _opening_of(event)
            operation = opened.get(number) if number is not None else None
            if operation is not None:
                operation.events.append(event)
                _go_on(operation, event)
    return list(opened.values())


def _opening_of(event: Event) -> int | None:
    for prefix, reference in _OPENED_BY:
        if event.type.startswith(prefix):
            number: int = event.attribute(reference)
            return number
    return None


def _open(event: Event) -> Operation:
    if event.type == "ActivityTaskScheduled":
        return Activity(event.activity_type, event.activity_id, args=event.input, events=[event])
    if event.type == "TimerStarted":
        name = _summary(event) or event.timer_id
        return Timer(name, event.timer_id, duration=event.start_to_fire_timeout, events=[event])
    if event.type == "WorkflowExecutionSignaled":
        return Signal(event.signal_name, "", "completed", args=event.input, events=[event])
    if event.type == "WorkflowExecutionUpdateAccepted":
        name = event.attribute("accepted_request.input.name")
        args = event.attribute("accepted_request.input.args")
        return Update(name, event.protocol_instance_id, args=args, events=[event])
    if event.type == "NexusOperationScheduled":
        name = f"{event.service}.{event.operation}"
        return NexusOperation(name, str(event.id), args=[event.input], events=[event])
    return Child(event.workflow_type, event.workflow_id, args=event.input, events=[event])


def _summary(event: Event) -> str:
    metadata = event.recorded.user_metadata
    return event.plain(metadata.summary) if metadata.HasField("summary") else ""


def _tells_of_local_activity(event: Event) -> bool:
    """Other SDKs than those that share a core with Python's have markers of their own."""
    data = next(iter(event.details.get("data", [])), None)
    return event.marker_name == LOCAL_ACTIVITY and isinstance(data, dict)


def _local_activity(event: Event) -> Activity:
    details: Mapping[str, list[Any]] = event.details
    data = details["data"][0]
    activity = Activity(
        str(data.get("activity_type", "")),
        str(data.get("activity_id", "")),
        "completed",
        attempts=int(data.get("attempt", 1)),
        is_local=True,
        events=[event],
    )
    marker = event.recorded.marker_recorded_event_attributes
    if marker.HasField("failure"):
        innermost = _innermost(marker.failure)
        was_canceled = innermost.HasField("canceled_failure_info")
        activity.status = "canceled" if was_canceled else "failed"
        activity.failure = innermost.message
    else:
        activity.result = next(iter(details.get("result", [])), None)
    return activity


def _innermost(failure: Failure) -> Failure:
    """What an activity or a child raised, without what says that it was one."""
    while failure.HasField("cause") and not failure.HasField("application_failure_info"):
        failure = failure.cause
    return failure


def _go_on(operation: Operation, event: Event) -> None:
    if isinstance(operation, Activity) and event.type == "ActivityTaskStarted":
        operation.attempts = event.attempt
        last = event.recorded.activity_task_started_event_attributes.last_failure
        operation.last_failure = last.message or None
    status = _status_after(event)
    if status is None:
        return
    operation.status = status
    if isinstance(operation, Update):
        outcome = event.recorded.workflow_execution_update_completed_event_attributes.outcome
        if outcome.HasField("failure"):
            operation.status, operation.failure = "failed", _innermost(outcome.failure).message
        else:
            operation.result = next(iter(event.plain(outcome.success)), None)
    elif status == "completed":
        value = event.result
        operation.result = next(iter(value), None) if isinstance(value, list) else value
    elif status in ("failed", "timed out"):
        operation.failure = _failure_message(event)


def _status_after(event: Event) -> str | None:
    if "CancelRequest" in event.type:
        return None
    return next((_STATUSES[each] for each in _STATUSES if event.type.endswith(each)), None)


def _failure_message(event: Event) -> str | None:
    kind = event.recorded.WhichOneof("attributes")
    failure = getattr(getattr(event.recorded, str(kind)), "failure", None)
    # A child that could not start, or timed out, has none.
    return None if failure is None else _innermost(failure).message
