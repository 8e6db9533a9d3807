"""Commands and the events that record them, in the same words, so that they can be compared."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_commands import WorkflowCommand

from timeskip.lanes.direct import local_activity_markers, patches
from timeskip.timeline.durations import duration_text
from timeskip.timeline.failures import failure_text
from timeskip.timeline.payloads import values_text


def event_name(event: HistoryEvent) -> str:
    """For example `ActivityTaskScheduled`."""
    known = EventType.DESCRIPTOR.values_by_number.get(event.event_type)
    if known is None:
        return f"event of type {event.event_type}"
    return known.name.removeprefix("EVENT_TYPE_").title().replace("_", "")


def event_text(event: HistoryEvent) -> str:
    """What was asked for when the event was recorded, or its name if nothing was."""
    kind = event_name(event)
    name = event.WhichOneof("attributes")
    if name is None:
        return kind
    return _of_event(kind, getattr(event, name), event) or kind


def _of_event(kind: str, attributes: Any, event: HistoryEvent) -> str | None:
    if kind == "ActivityTaskScheduled":
        return _activity(attributes.activity_type.name, attributes.input.payloads)
    if kind == "ActivityTaskCancelRequested":
        return "cancellation of an activity"
    if kind == "TimerStarted":
        return _timer(attributes.start_to_fire_timeout)
    if kind == "TimerCanceled":
        return f"cancellation of timer {attributes.timer_id}"
    if kind == "StartChildWorkflowExecutionInitiated":
        return _child(
            attributes.workflow_type.name, attributes.input.payloads, attributes.workflow_id
        )
    if kind == "SignalExternalWorkflowExecutionInitiated":
        to = attributes.workflow_execution.workflow_id
        return _signal(attributes.signal_name, attributes.input.payloads, to)
    if kind == "RequestCancelExternalWorkflowExecutionInitiated":
        return f"cancellation of workflow {attributes.workflow_execution.workflow_id!r}"
    if kind == "NexusOperationScheduled":
        return _nexus(attributes.service, attributes.operation, [attributes.input])
    if kind == "MarkerRecorded":
        return _marker(event)
    if kind == "WorkflowExecutionUpdateAccepted":
        return f"acceptance of update {attributes.accepted_request.input.name!r}"
    if kind == "WorkflowExecutionUpdateCompleted":
        return f"result of update {attributes.meta.update_id!r}"
    if kind == "UpsertWorkflowSearchAttributes":
        return _names("search attributes", attributes.search_attributes.indexed_fields)
    if kind == "WorkflowPropertiesModified":
        return _names("memo", attributes.upserted_memo.fields)
    if kind == "WorkflowExecutionCompleted":
        return _result(attributes.result.payloads)
    if kind == "WorkflowExecutionFailed":
        return f"failure of the workflow: {failure_text(attributes.failure)}"
    if kind == "WorkflowExecutionCanceled":
        return "end of the workflow as cancelled"
    if kind == "WorkflowExecutionContinuedAsNew":
        return f"continue as new with {_arguments(attributes.input.payloads)}"
    return None


def command_text(command: WorkflowCommand) -> str:
    """What the workflow asks for."""
    variant = command.WhichOneof("variant") or ""
    asked: Any = getattr(command, variant) if variant else None
    if variant == "schedule_activity":
        return _activity(asked.activity_type, asked.arguments)
    if variant == "schedule_local_activity":
        return f"local {_activity(asked.activity_type, asked.arguments)}"
    if variant in ("request_cancel_activity", "request_cancel_local_activity"):
        return "cancellation of an activity"
    if variant == "start_timer":
        return _timer(asked.start_to_fire_timeout)
    if variant == "cancel_timer":
        return f"cancellation of timer {asked.seq}"
    if variant == "start_child_workflow_execution":
        return _child(asked.workflow_type, asked.input, asked.workflow_id)
    if variant == "cancel_child_workflow_execution":
        return "cancellation of a child workflow"
    if variant == "signal_external_workflow_execution":
        to = asked.workflow_execution.workflow_id or asked.child_workflow_id
        return _signal(asked.signal_name, asked.args, to)
    if variant == "request_cancel_external_workflow_execution":
        return f"cancellation of workflow {asked.workflow_execution.workflow_id!r}"
    if variant == "schedule_nexus_operation":
        return _nexus(asked.service, asked.operation, [asked.input])
    if variant == "set_patch_marker":
        return f"patch {asked.patch_id!r}"
    if variant == "update_response":
        response = asked.WhichOneof("response")
        word = {"accepted": "acceptance", "rejected": "rejection"}.get(response or "", "result")
        return f"{word} of update {asked.protocol_instance_id!r}"
    if variant == "upsert_workflow_search_attributes":
        return _names("search attributes", asked.search_attributes.indexed_fields)
    if variant == "modify_workflow_properties":
        return _names("memo", asked.upserted_memo.fields)
    if variant == "complete_workflow_execution":
        return _result([asked.result] if asked.HasField("result") else [])
    if variant == "fail_workflow_execution":
        return f"failure of the workflow: {failure_text(asked.failure)}"
    if variant == "cancel_workflow_execution":
        return "end of the workflow as cancelled"
    if variant == "continue_as_new_workflow_execution":
        return f"continue as new with {_arguments(asked.arguments)}"
    return variant.replace("_", " ")


def _activity(name: str, payloads: Iterable[Payload]) -> str:
    return f"activity {name}{_arguments(payloads)}"


def _timer(duration: Any) -> str:
    return f"timer of {duration_text(duration.ToTimedelta())}"


def _child(name: str, payloads: Iterable[Payload], id: str) -> str:
    return f"child workflow {name}{_arguments(payloads)} with id {id!r}"


def _signal(name: str, payloads: Iterable[Payload], to: str) -> str:
    return f"signal {name}{_arguments(payloads)} to workflow {to!r}"


def _nexus(service: str, operation: str, payloads: Iterable[Payload]) -> str:
    return f"Nexus operation {service}.{operation}{_arguments(payloads)}"


def _result(payloads: Iterable[Payload]) -> str:
    told = values_text(payloads)
    return f"end of the workflow with {told}" if told else "end of the workflow"


def _names(what: str, fields: Iterable[str]) -> str:
    return f"{what} {', '.join(sorted(fields))}"


def _arguments(payloads: Iterable[Payload]) -> str:
    return f"({values_text(payloads)})"


def _marker(event: HistoryEvent) -> str:
    patch = patches.details_of(event)
    if patch is not None:
        return f"patch {patch[0]!r}"
    attributes = event.marker_recorded_event_attributes
    if local_activity_markers.is_marker(event):
        data = json.loads(attributes.details["data"].payloads[0].data)
        return f"local activity {data['activity_type']}"
    return f"marker {attributes.marker_name!r}"
