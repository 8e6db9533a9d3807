"""Commands of a completed workflow task: which are refused, and what that does to the task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from temporalio.api.command.v1 import (
    CancelTimerCommandAttributes,
    Command,
    CompleteWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
    ModifyWorkflowPropertiesCommandAttributes,
    ProtocolMessageCommandAttributes,
    RecordMarkerCommandAttributes,
    RequestCancelActivityTaskCommandAttributes,
    ScheduleActivityTaskCommandAttributes,
    StartTimerCommandAttributes,
    UpsertWorkflowSearchAttributesCommandAttributes,
)
from temporalio.api.enums.v1 import CommandType
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes

from timeskip.server.errors import ServiceError, invalid_argument
from timeskip.server.validation.activities import validate_schedule_activity
from timeskip.server.validation.bad_commands import (
    BadCommand,
    CommandSettings,
    TooLargeError,
    camel_case,
    limit_size,
    require_id,
)
from timeskip.server.validation.children import validate_start_child
from timeskip.server.validation.continue_as_new import validate_continue_as_new
from timeskip.server.validation.durations import cap, why_invalid
from timeskip.server.validation.external import (
    validate_cancel_external,
    validate_signal_external,
)
from timeskip.server.validation.limits import MAX_MEMO_SIZE, byte_length
from timeskip.server.validation.nexus_operations import validate_schedule_nexus_operation
from timeskip.server.validation.search_attributes import (
    SearchAttributeTypes,
    validate_search_attribute_sizes,
    validate_search_attribute_values,
)

_CLOSING: Final = frozenset(
    {
        CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
        CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
        CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
        CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
    }
)


_NAMES: Final = {
    number: camel_case(name.removeprefix("COMMAND_TYPE_")) for name, number in CommandType.items()
}


def command_name(command: Command) -> str:
    """The command's type as the real server writes it in messages; an unknown one as a number."""
    return _NAMES.get(command.command_type) or str(command.command_type)


def validate_command_sequence(commands: Sequence[Command]) -> None:
    """Refuse the whole answer with INVALID_ARGUMENT; the workflow task stays open.

    Every type must be known, and nothing may follow a command that closes the run.
    """
    closing: Command | None = None
    for command in commands:
        if closing is not None:
            names = ", ".join(command_name(other) for other in commands)
            raise invalid_argument(
                f"invalid command sequence: [{names}], "
                f"command {command_name(closing)} must be the last command."
            )
        if not command.command_type or command.command_type not in _NAMES:
            raise invalid_argument(f"unknown command type: {command_name(command)}")
        if command.command_type in _CLOSING:
            closing = command


def validate_command(
    command: Command,
    started: WorkflowExecutionStartedEventAttributes,
    namespace: str,
    search_attributes: SearchAttributeTypes,
) -> None:
    """Raise `BadCommand` for a command that the real server would refuse whatever the run's state.

    `started` is the run's first event, `search_attributes` are the custom ones of `namespace`.
    Completes the attributes of a scheduled activity and caps the timeout of a timer. Types that are
    not listed in `_CHECKS` pass.
    """
    check = _CHECKS.get(command.command_type)
    if check is None:
        return
    try:
        if command.WhichOneof("attributes") != check.field:
            name = command_name(command)
            missing = f"{name}CommandAttributes is not set on {name}Command."
            raise invalid_argument(check.if_missing or missing)
        check.attributes(
            getattr(command, check.field), CommandSettings(started, namespace, search_attributes)
        )
    except ServiceError as error:
        raise BadCommand(check.cause, error.message) from None
    except TooLargeError as error:
        cause = check.cause_if_too_large or check.cause
        raise BadCommand(cause, str(error), terminates_workflow=True) from None


def _schedule_activity(
    attributes: ScheduleActivityTaskCommandAttributes, settings: CommandSettings
) -> None:
    validate_schedule_activity(attributes, settings.started)
    limit_size(attributes.input.ByteSize(), "ScheduleActivityTaskCommandAttributes.Input")


def _request_cancel_activity(
    attributes: RequestCancelActivityTaskCommandAttributes, settings: CommandSettings
) -> None:
    if attributes.scheduled_event_id <= 0:
        raise invalid_argument("ScheduledEventId is not set on RequestCancelActivityTaskCommand.")


def _start_timer(attributes: StartTimerCommandAttributes, settings: CommandSettings) -> None:
    require_id("TimerId", attributes.timer_id, "StartTimerCommand")
    if reason := why_invalid(attributes.start_to_fire_timeout):
        raise invalid_argument(
            f"An invalid StartToFireTimeout is set on StartTimerCommand: {reason}. "
            f"TimerId={attributes.timer_id}"
        )
    cap(attributes.start_to_fire_timeout)


def _cancel_timer(attributes: CancelTimerCommandAttributes, settings: CommandSettings) -> None:
    require_id("TimerId", attributes.timer_id, "CancelTimerCommand")


def _record_marker(attributes: RecordMarkerCommandAttributes, settings: CommandSettings) -> None:
    require_id("MarkerName", attributes.marker_name, "RecordMarkerCommand")
    size = sum(
        byte_length(key) + payloads.ByteSize() for key, payloads in attributes.details.items()
    )
    limit_size(size, "RecordMarkerCommandAttributes.Details")


def _upsert_search_attributes(
    attributes: UpsertWorkflowSearchAttributesCommandAttributes, settings: CommandSettings
) -> None:
    if not attributes.HasField("search_attributes"):
        raise invalid_argument(
            "SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand."
        )
    if not attributes.search_attributes.indexed_fields:
        raise invalid_argument("IndexedFields is not set on UpsertWorkflowSearchAttributesCommand.")
    validate_search_attribute_values(
        attributes.search_attributes, settings.namespace, settings.search_attributes
    )
    try:
        validate_search_attribute_sizes(attributes.search_attributes)
    except ServiceError as error:
        raise TooLargeError(error.message) from None


def _modify_properties(
    attributes: ModifyWorkflowPropertiesCommandAttributes, settings: CommandSettings
) -> None:
    if not attributes.HasField("upserted_memo"):
        raise invalid_argument("UpsertedMemo is not set on ModifyWorkflowPropertiesCommand.")
    if not attributes.upserted_memo.fields:
        raise invalid_argument("UpsertedMemo.Fields is not set on ModifyWorkflowPropertiesCommand.")
    if attributes.upserted_memo.ByteSize() > MAX_MEMO_SIZE:
        raise TooLargeError("ModifyWorkflowPropertiesCommandAttributes exceeds size limit.")


def _complete_workflow(
    attributes: CompleteWorkflowExecutionCommandAttributes, settings: CommandSettings
) -> None:
    limit_size(attributes.result.ByteSize(), "CompleteWorkflowExecutionCommandAttributes.Result")


def _fail_workflow(
    attributes: FailWorkflowExecutionCommandAttributes, settings: CommandSettings
) -> None:
    if not attributes.HasField("failure"):
        raise invalid_argument("Failure is not set on FailWorkflowExecutionCommand.")
    limit_size(attributes.failure.ByteSize(), "FailWorkflowExecutionCommandAttributes.Failure")


def _protocol_message(
    attributes: ProtocolMessageCommandAttributes, settings: CommandSettings
) -> None:
    if not attributes.message_id:
        raise invalid_argument("MessageID is not set on ProtocolMessageCommand.")


def _cancel_workflow(attributes: object, settings: CommandSettings) -> None:
    """Anything goes, even if nobody asked for the cancellation."""


def _request_cancel_nexus_operation(attributes: object, settings: CommandSettings) -> None:
    """Whether there is such an operation is what the run knows."""


@dataclass(frozen=True)
class _Check:
    """How attributes of one command type are checked, and the causes that failures are given."""

    field: str
    attributes: Callable[[Any, CommandSettings], None]
    cause: Cause.ValueType
    cause_if_too_large: Cause.ValueType | None = None
    #: What is told if there are no attributes, if that is not what is told of all commands.
    if_missing: str = ""


_CHECKS: Final[Mapping[CommandType.ValueType, _Check]] = {
    CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK: _Check(
        "schedule_activity_task_command_attributes",
        _schedule_activity,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES,
    ),
    CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK: _Check(
        "request_cancel_activity_task_command_attributes",
        _request_cancel_activity,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES,
    ),
    CommandType.COMMAND_TYPE_START_TIMER: _Check(
        "start_timer_command_attributes",
        _start_timer,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_TIMER_ATTRIBUTES,
    ),
    CommandType.COMMAND_TYPE_CANCEL_TIMER: _Check(
        "cancel_timer_command_attributes",
        _cancel_timer,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES,
    ),
    CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION: _Check(
        "start_child_workflow_execution_command_attributes",
        validate_start_child,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES,
    ),
    CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION: _Check(
        "signal_external_workflow_execution_command_attributes",
        validate_signal_external,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES,
    ),
    CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION: _Check(
        "request_cancel_external_workflow_execution_command_attributes",
        validate_cancel_external,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES,
    ),
    CommandType.COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION: _Check(
        "schedule_nexus_operation_command_attributes",
        validate_schedule_nexus_operation,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_NEXUS_OPERATION_ATTRIBUTES,
        if_missing="empty ScheduleNexusOperationCommandAttributes",
    ),
    CommandType.COMMAND_TYPE_REQUEST_CANCEL_NEXUS_OPERATION: _Check(
        "request_cancel_nexus_operation_command_attributes",
        _request_cancel_nexus_operation,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_NEXUS_OPERATION_ATTRIBUTES,
        if_missing="empty CancelNexusOperationCommandAttributes",
    ),
    CommandType.COMMAND_TYPE_RECORD_MARKER: _Check(
        "record_marker_command_attributes",
        _record_marker,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_RECORD_MARKER_ATTRIBUTES,
    ),
    CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: _Check(
        "upsert_workflow_search_attributes_command_attributes",
        _upsert_search_attributes,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES,
    ),
    CommandType.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES: _Check(
        "modify_workflow_properties_command_attributes",
        _modify_properties,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES,
    ),
    CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE: _Check(
        "protocol_message_command_attributes",
        _protocol_message,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE,
    ),
    CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION: _Check(
        "complete_workflow_execution_command_attributes",
        _complete_workflow,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_COMPLETE_WORKFLOW_EXECUTION_ATTRIBUTES,
        # The real server names the wrong cause here; histories show it, so it is kept.
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES,
    ),
    CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION: _Check(
        "fail_workflow_execution_command_attributes",
        _fail_workflow,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES,
    ),
    CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION: _Check(
        "continue_as_new_workflow_execution_command_attributes",
        validate_continue_as_new,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CONTINUE_AS_NEW_ATTRIBUTES,
    ),
    CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION: _Check(
        "cancel_workflow_execution_command_attributes",
        _cancel_workflow,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_WORKFLOW_EXECUTION_ATTRIBUTES,
    ),
}
