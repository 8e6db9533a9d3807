"""What each type of event means on a timeline.

Some events open something that another event closes (an activity, a timer, a child workflow): the
two become one line, at the instant of the closing. Others are a line of their own. Workflow tasks
that go well say nothing about the workflow and have no line.

Every description takes the event's attributes, a message whose type follows from the event's.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import (
    CancelExternalWorkflowExecutionFailedCause,
    EventType,
    SignalExternalWorkflowExecutionFailedCause,
    StartChildWorkflowExecutionFailedCause,
    TimeoutType,
    WorkflowTaskFailedCause,
)

from timeskip.histories.core_markers import LOCAL_ACTIVITY
from timeskip.timeline.durations import duration_text
from timeskip.timeline.failures import failure_text, timeout_text
from timeskip.timeline.payloads import one_line, payloads_text, values_text


class Mood(Enum):
    """How a line is to be taken."""

    PLAIN = "plain"
    SUCCESS = "success"
    CANCELED = "canceled"
    FAILURE = "failure"
    WAITING = "waiting"
    FAULT = "fault"


@dataclass(frozen=True)
class Line:
    """One line: a word for what it is, what it is about, and what became of it."""

    kind: str
    subject: str = ""
    detail: str = ""
    mood: Mood = Mood.PLAIN


@dataclass(frozen=True)
class Ending:
    """What a closing adds to the line of its opening."""

    detail: str = ""
    mood: Mood = Mood.PLAIN


@dataclass(frozen=True)
class Closing:
    """How to find what an event closes, and how that ended."""

    opened_by: str
    """The attribute that holds the event id of the opening."""
    ending: Callable[[Any], Ending]


def _started(attributes: Any) -> Line:
    parts = [f"attempt {attributes.attempt}"] if attributes.attempt > 1 else []
    schedule = attributes.search_attributes.indexed_fields.get("TemporalScheduledById")
    if schedule is not None:
        parts.append(f"by schedule {values_text([schedule])}")
    parts.append(payloads_text(attributes.input))
    return Line("started", attributes.workflow_type.name, " ".join(filter(None, parts)))


def _marker(attributes: Any) -> Line:
    try:
        return _marker_of_the_sdk(attributes)
    except (LookupError, ValueError, TypeError):  # other SDKs, and older ones, write others
        return _marker_of_others(attributes)


def _marker_of_the_sdk(attributes: Any) -> Line:
    details: Mapping[str, Any] = attributes.details
    if attributes.marker_name == "core_patch":
        return Line("patch", str(_sdk_data(details["patch-data"].payloads[0])["id"]))
    if attributes.marker_name == LOCAL_ACTIVITY:
        name = str(_sdk_data(details["data"].payloads[0])["activity_type"])
        ending = _returned(details["result"]) if "result" in details else _failed(attributes)
        return Line("local", name, ending.detail, ending.mood)
    return _marker_of_others(attributes)


def _marker_of_others(attributes: Any) -> Line:
    if attributes.HasField("failure"):
        ending = _failed(attributes)
        return Line("marker", attributes.marker_name, ending.detail, ending.mood)
    details = attributes.details
    told = ((name, payloads_text(details[name])) for name in sorted(details))
    detail = ", ".join(f"{name}: {text}" for name, text in told if text)
    return Line("marker", attributes.marker_name, one_line(detail))


def _sdk_data(payload: Payload) -> dict[str, Any]:
    """What the SDK itself wrote into a marker, always JSON."""
    data: dict[str, Any] = json.loads(payload.data)
    return data


def _search_attributes(attributes: Any) -> Line | None:
    fields = attributes.search_attributes.indexed_fields
    # The SDK keeps the list of patches there; each patch has a line already.
    if set(fields) == {"TemporalChangeVersion"}:
        return None
    return Line("upsert", _assignments(fields))


def _failed_task(attributes: Any) -> Line:
    cause = _cause(WorkflowTaskFailedCause, attributes)
    return Line("task", "", f"failed: {cause}: {failure_text(attributes.failure)}", Mood.FAILURE)


def _timed_out_task(attributes: Any) -> Line | None:
    # A sticky queue whose worker is gone: the task goes to another worker, and nobody minds.
    if attributes.timeout_type == TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START:
        return None
    return Line("task", "", timeout_text(attributes.timeout_type), Mood.FAILURE)


def _assignments(fields: Mapping[str, Payload]) -> str:
    return one_line(", ".join(f"{name} = {values_text([fields[name]])}" for name in sorted(fields)))


def _returned(values: Payloads) -> Ending:
    result = payloads_text(values)
    return Ending(f"→ {result}" if result else "")


def _completed(attributes: Any) -> Ending:
    return _returned(attributes.result)


def _answered(attributes: Any) -> Ending:
    # A handler takes and returns one value, not several.
    result = values_text([attributes.result]) if attributes.HasField("result") else ""
    return Ending(f"→ {result}" if result else "")


def _failed(attributes: Any) -> Ending:
    return Ending(f"failed: {failure_text(attributes.failure)}", Mood.FAILURE)


def _failed_because(cause_enum: Any) -> Callable[[Any], Ending]:
    return lambda attributes: Ending(f"failed: {_cause(cause_enum, attributes)}", Mood.FAILURE)


def _ended(words: str, mood: Mood = Mood.PLAIN) -> Callable[[Any], Ending]:
    return lambda attributes: Ending(words, mood)


def _updated(attributes: Any) -> Ending:
    if attributes.outcome.HasField("failure"):
        return _failed(attributes.outcome)
    return _returned(attributes.outcome.success)


def _cause(cause_enum: Any, attributes: Any) -> str:
    """An enumerated cause in words: `..._CAUSE_NAMESPACE_NOT_FOUND` is `namespace not found`."""
    _, _, words = cause_enum.Name(attributes.cause).partition("_CAUSE_")
    return str(words.lower().replace("_", " "))


def _call(update: Any) -> str:
    return f"{update.name} {payloads_text(update.args)}".rstrip()


OPENINGS: dict[EventType.ValueType, Callable[[Any], Line]] = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: (
        lambda a: Line("activity", a.activity_type.name, payloads_text(a.input))
    ),
    EventType.EVENT_TYPE_TIMER_STARTED: (
        lambda a: Line("timer", duration_text(a.start_to_fire_timeout.ToTimedelta()))
    ),
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: (
        lambda a: Line("child", f"{a.workflow_type.name} {a.workflow_id}")
    ),
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: (
        lambda a: Line("signal", f"{a.signal_name} to {a.workflow_execution.workflow_id}")
    ),
    EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: (
        lambda a: Line("cancel", a.workflow_execution.workflow_id)
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: (
        lambda a: Line("update", _call(a.accepted_request.input))
    ),
    EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED: (
        lambda a: Line("nexus", f"{a.service}.{a.operation}", values_text([a.input]))
    ),
}

CLOSINGS: dict[EventType.ValueType, Closing] = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: Closing("scheduled_event_id", _completed),
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: Closing("scheduled_event_id", _failed),
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: Closing("scheduled_event_id", _failed),
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: Closing(
        "scheduled_event_id", _ended("canceled", Mood.CANCELED)
    ),
    EventType.EVENT_TYPE_TIMER_FIRED: Closing("started_event_id", _ended("")),
    EventType.EVENT_TYPE_TIMER_CANCELED: Closing(
        "started_event_id", _ended("canceled", Mood.CANCELED)
    ),
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED: Closing(
        "initiated_event_id", _failed_because(StartChildWorkflowExecutionFailedCause)
    ),
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED: Closing(
        "initiated_event_id", _completed
    ),
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED: Closing("initiated_event_id", _failed),
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED: Closing(
        "initiated_event_id", _ended("canceled", Mood.CANCELED)
    ),
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT: Closing(
        "initiated_event_id", _ended("timed out", Mood.FAILURE)
    ),
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED: Closing(
        "initiated_event_id", _ended("terminated", Mood.FAILURE)
    ),
    EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED: Closing(
        "initiated_event_id", _ended("")
    ),
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED: Closing(
        "initiated_event_id", _failed_because(SignalExternalWorkflowExecutionFailedCause)
    ),
    EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED: Closing(
        "initiated_event_id", _ended("requested")
    ),
    EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED: Closing(
        "initiated_event_id", _failed_because(CancelExternalWorkflowExecutionFailedCause)
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED: Closing(
        "accepted_event_id", _updated
    ),
    EventType.EVENT_TYPE_NEXUS_OPERATION_COMPLETED: Closing("scheduled_event_id", _answered),
    EventType.EVENT_TYPE_NEXUS_OPERATION_FAILED: Closing("scheduled_event_id", _failed),
    EventType.EVENT_TYPE_NEXUS_OPERATION_TIMED_OUT: Closing("scheduled_event_id", _failed),
    EventType.EVENT_TYPE_NEXUS_OPERATION_CANCELED: Closing(
        "scheduled_event_id", _ended("canceled", Mood.CANCELED)
    ),
}

INSTANTS: dict[EventType.ValueType, Callable[[Any], Line | None]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: _started,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: (
        lambda a: Line("signal", a.signal_name, payloads_text(a.input))
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: (
        lambda a: Line("cancel", "", f"requested {one_line(a.cause)}".rstrip(), Mood.CANCELED)
    ),
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: _failed_task,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT: _timed_out_task,
    EventType.EVENT_TYPE_MARKER_RECORDED: _marker,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: _search_attributes,
    EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED: (
        lambda a: Line("memo", _assignments(a.upserted_memo.fields))
    ),
}

ENDS: dict[EventType.ValueType, Callable[[Any], Line]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: (
        lambda a: Line("completed", "", _completed(a).detail, Mood.SUCCESS)
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: (
        lambda a: Line("failed", "", failure_text(a.failure), Mood.FAILURE)
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: (
        lambda a: Line("timed out", "", "", Mood.FAILURE)
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: (
        lambda a: Line("canceled", "", payloads_text(a.details), Mood.CANCELED)
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: (
        lambda a: Line("terminated", "", one_line(a.reason), Mood.FAILURE)
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: (
        lambda a: Line("continued", f"as new {a.workflow_type.name}", payloads_text(a.input))
    ),
}

UNTOLD = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED,
    EventType.EVENT_TYPE_NEXUS_OPERATION_STARTED,
    EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUESTED,
    EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_COMPLETED,
}


def instant_line(event_type: EventType.ValueType, attributes: Any) -> Line | None:
    """The line of an event that stands alone, if it is worth one.

    A type without a word of its own is told by its name: `event workflow execution paused`.
    """
    if event_type in INSTANTS:
        return INSTANTS[event_type](attributes)
    known = EventType.DESCRIPTOR.values_by_number.get(event_type)
    if known is None or not event_type:
        return Line("event", "of a type that the installed temporalio does not know")
    return Line("event", known.name.removeprefix("EVENT_TYPE_").lower().replace("_", " "))
