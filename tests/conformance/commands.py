"""The commands with which a hand-driven workflow task is answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import (
    CancelTimerCommandAttributes,
    CancelWorkflowExecutionCommandAttributes,
    Command,
    CompleteWorkflowExecutionCommandAttributes,
    ContinueAsNewWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
    ModifyWorkflowPropertiesCommandAttributes,
    RecordMarkerCommandAttributes,
    RequestCancelActivityTaskCommandAttributes,
    RequestCancelExternalWorkflowExecutionCommandAttributes,
    RequestCancelNexusOperationCommandAttributes,
    ScheduleActivityTaskCommandAttributes,
    ScheduleNexusOperationCommandAttributes,
    SignalExternalWorkflowExecutionCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
    StartTimerCommandAttributes,
    UpsertWorkflowSearchAttributesCommandAttributes,
)
from temporalio.api.common.v1 import (
    ActivityType,
    RetryPolicy,
    WorkflowExecution,
    WorkflowType,
)
from temporalio.api.enums.v1 import CommandType
from temporalio.api.failure.v1 import Failure
from temporalio.api.taskqueue.v1 import TaskQueue

from tests.conformance.payloads import application_failure, memo, payloads, search_attributes


def seconds(amount: float) -> Duration:
    """A duration of this many seconds."""
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=amount))
    return duration


def complete_workflow(*result: Any) -> Command:
    """Complete the run; without arguments there is no result at all."""
    attributes = CompleteWorkflowExecutionCommandAttributes(
        result=payloads(*result) if result else None
    )
    return Command(
        command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
        complete_workflow_execution_command_attributes=attributes,
    )


def fail_workflow(failure: Failure | str = "workflow failed") -> Command:
    """Fail the run, with an application failure if only a message is given."""
    if isinstance(failure, str):
        failure = application_failure(failure)
    return Command(
        command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
        fail_workflow_execution_command_attributes=FailWorkflowExecutionCommandAttributes(
            failure=failure
        ),
    )


def cancel_workflow(*details: Any) -> Command:
    """End the run as cancelled."""
    attributes = CancelWorkflowExecutionCommandAttributes(
        details=payloads(*details) if details else None
    )
    return Command(
        command_type=CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
        cancel_workflow_execution_command_attributes=attributes,
    )


def continue_as_new(*arguments: Any, **attributes: Any) -> Command:
    """Continue the run as a new one; what is not given is inherited."""
    return Command(
        command_type=CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
        continue_as_new_workflow_execution_command_attributes=(
            ContinueAsNewWorkflowExecutionCommandAttributes(
                input=payloads(*arguments) if arguments else None, **attributes
            )
        ),
    )


def start_child(
    workflow_id: str, *arguments: Any, workflow_type: str = "Shipping", **attributes: Any
) -> Command:
    """Start a child workflow; it runs on its parent's task queue unless told otherwise."""
    return Command(
        command_type=CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION,
        start_child_workflow_execution_command_attributes=(
            StartChildWorkflowExecutionCommandAttributes(
                workflow_id=workflow_id,
                workflow_type=WorkflowType(name=workflow_type),
                input=payloads(*arguments) if arguments else None,
                **attributes,
            )
        ),
    )


def signal_external(
    workflow_id: str, signal_name: str, *arguments: Any, run_id: str = "", **attributes: Any
) -> Command:
    """Signal another run, the latest one of the workflow id unless one is named."""
    return Command(
        command_type=CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION,
        signal_external_workflow_execution_command_attributes=(
            SignalExternalWorkflowExecutionCommandAttributes(
                execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
                signal_name=signal_name,
                input=payloads(*arguments) if arguments else None,
                **attributes,
            )
        ),
    )


def request_cancel_external(workflow_id: str, *, run_id: str = "", **attributes: Any) -> Command:
    """Ask another run to cancel itself, the latest one of the id unless one is named."""
    return Command(
        command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION,
        request_cancel_external_workflow_execution_command_attributes=(
            RequestCancelExternalWorkflowExecutionCommandAttributes(
                workflow_id=workflow_id, run_id=run_id, **attributes
            )
        ),
    )


def start_timer(timer_id: str, after: float) -> Command:
    """Start a timer that fires after this many seconds."""
    return Command(
        command_type=CommandType.COMMAND_TYPE_START_TIMER,
        start_timer_command_attributes=StartTimerCommandAttributes(
            timer_id=timer_id, start_to_fire_timeout=seconds(after)
        ),
    )


def cancel_timer(timer_id: str) -> Command:
    """Cancel a timer by its id."""
    return Command(
        command_type=CommandType.COMMAND_TYPE_CANCEL_TIMER,
        cancel_timer_command_attributes=CancelTimerCommandAttributes(timer_id=timer_id),
    )


def schedule_activity(
    activity_id: str,
    *,
    task_queue: str,
    activity_type: str = "charge",
    arguments: tuple[Any, ...] = (),
    schedule_to_close: float | None = None,
    schedule_to_start: float | None = None,
    start_to_close: float | None = None,
    heartbeat: float | None = None,
    retry_policy: RetryPolicy | None = None,
    **attributes: Any,
) -> Command:
    """Schedule an activity; timeouts are in seconds, None leaves a field out."""

    def optional(amount: float | None) -> Duration | None:
        return None if amount is None else seconds(amount)

    return Command(
        command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
        schedule_activity_task_command_attributes=ScheduleActivityTaskCommandAttributes(
            activity_id=activity_id,
            activity_type=ActivityType(name=activity_type),
            task_queue=TaskQueue(name=task_queue),
            input=payloads(*arguments) if arguments else None,
            schedule_to_close_timeout=optional(schedule_to_close),
            schedule_to_start_timeout=optional(schedule_to_start),
            start_to_close_timeout=optional(start_to_close),
            heartbeat_timeout=optional(heartbeat),
            retry_policy=retry_policy,
            **attributes,
        ),
    )


def schedule_nexus_operation(
    endpoint: str,
    *argument: Any,
    service: str = "shop",
    operation: str = "buy",
    schedule_to_close: float | None = None,
    schedule_to_start: float | None = None,
    start_to_close: float | None = None,
    header: Mapping[str, str] | None = None,
) -> Command:
    """Schedule a Nexus operation; timeouts are in seconds, None leaves a field out."""

    def optional(amount: float | None) -> Duration | None:
        return None if amount is None else seconds(amount)

    return Command(
        command_type=CommandType.COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION,
        schedule_nexus_operation_command_attributes=ScheduleNexusOperationCommandAttributes(
            endpoint=endpoint,
            service=service,
            operation=operation,
            input=payloads(*argument).payloads[0] if argument else None,
            schedule_to_close_timeout=optional(schedule_to_close),
            schedule_to_start_timeout=optional(schedule_to_start),
            start_to_close_timeout=optional(start_to_close),
            nexus_header=header,
        ),
    )


def request_cancel_nexus_operation(scheduled_event_id: int) -> Command:
    """Ask for the cancellation of the Nexus operation that this event scheduled."""
    return Command(
        command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_NEXUS_OPERATION,
        request_cancel_nexus_operation_command_attributes=(
            RequestCancelNexusOperationCommandAttributes(scheduled_event_id=scheduled_event_id)
        ),
    )


def request_cancel_activity(scheduled_event_id: int) -> Command:
    """Ask for the cancellation of the activity that this event scheduled."""
    return Command(
        command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK,
        request_cancel_activity_task_command_attributes=RequestCancelActivityTaskCommandAttributes(
            scheduled_event_id=scheduled_event_id
        ),
    )


def record_marker(marker_name: str, **details: Any) -> Command:
    """Record a marker, each detail a payload list of one value."""
    attributes = RecordMarkerCommandAttributes(
        marker_name=marker_name,
        details={name: payloads(value) for name, value in details.items()},
    )
    return Command(
        command_type=CommandType.COMMAND_TYPE_RECORD_MARKER,
        record_marker_command_attributes=attributes,
    )


def upsert_search_attributes(**values: tuple[str, Any]) -> Command:
    """Set search attributes, each given as (type, value)."""
    return Command(
        command_type=CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        upsert_workflow_search_attributes_command_attributes=(
            UpsertWorkflowSearchAttributesCommandAttributes(
                search_attributes=search_attributes(**values)
            )
        ),
    )


def modify_memo(**values: Any) -> Command:
    """Set memo fields."""
    return Command(
        command_type=CommandType.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES,
        modify_workflow_properties_command_attributes=ModifyWorkflowPropertiesCommandAttributes(
            upserted_memo=memo(**values)
        ),
    )
