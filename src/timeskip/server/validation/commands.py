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
from timeskip.server.validation.durations import cap, why_invalid
from timeskip.server.validation.limits import (
    MAX_ID_LENGTH,
    MAX_MEMO_SIZE,
    MAX_PAYLOAD_SIZE,
    byte_length,
    is_too_long,
)
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


class BadCommand(Exception):  # noqa: N818 - it is the command that is bad, not the server
    """A command that fails the workflow task.

    `cause` and `full_message` stand in the WorkflowTaskFailed event, and `full_message` also in the
    INVALID_ARGUMENT that the worker gets. With `terminates_workflow` the run is terminated too: it
    is too large to be tried again.
    """

    def __init__(
        self, cause: Cause.ValueType, message: str = "", *, terminates_workflow: bool = False
    ) -> None:
        name = camel_case(Cause.Name(cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_"))
        self.cause = cause
        self.message = message
        self.full_message = f"{name}: {message}" if message else name
        self.terminates_workflow = terminates_workflow
        super().__init__(self.full_message)


class _TooLargeError(Exception):
    """Attributes whose size no retry of the workflow task could mend."""


@dataclass(frozen=True)
class _Settings:
    """What the checks of attributes need to know besides them."""

    started: WorkflowExecutionStartedEventAttributes
    namespace: str
    search_attributes: SearchAttributeTypes


def camel_case(constant: str) -> str:
    """`START_TIMER` as the real server writes it in messages: `StartTimer`."""
    return constant.title().replace("_", "")


def command_name(command: Command) -> str:
    """The command's type as the real server writes it in messages; an unknown one as a number."""
    if command.command_type not in CommandType.values():
        return str(command.command_type)
    return camel_case(CommandType.Name(command.command_type).removeprefix("COMMAND_TYPE_"))


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
        name = command_name(command)
        if name in ("Unspecified", str(command.command_type)):
            raise invalid_argument(f"unknown command type: {name}")
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
            raise invalid_argument(f"{name}CommandAttributes is not set on {name}Command.")
        check.attributes(
            getattr(command, check.field), _Settings(started, namespace, search_attributes)
        )
    except ServiceError as error:
        raise BadCommand(check.cause, error.message) from None
    except _TooLargeError as error:
        cause = check.cause_if_too_large or check.cause
        raise BadCommand(cause, str(error), terminates_workflow=True) from None


def _schedule_activity(
    attributes: ScheduleActivityTaskCommandAttributes, settings: _Settings
) -> None:
    validate_schedule_activity(attributes, settings.started)
    _limit(attributes.input.ByteSize(), "ScheduleActivityTaskCommandAttributes.Input")


def _request_cancel_activity(
    attributes: RequestCancelActivityTaskCommandAttributes, settings: _Settings
) -> None:
    if attributes.scheduled_event_id <= 0:
        raise invalid_argument("ScheduledEventId is not set on RequestCancelActivityTaskCommand.")


def _start_timer(attributes: StartTimerCommandAttributes, settings: _Settings) -> None:
    _require_id("TimerId", attributes.timer_id, "StartTimerCommand")
    if reason := why_invalid(attributes.start_to_fire_timeout):
        raise invalid_argument(
            f"An invalid StartToFireTimeout is set on StartTimerCommand: {reason}. "
            f"TimerId={attributes.timer_id}"
        )
    cap(attributes.start_to_fire_timeout)


def _cancel_timer(attributes: CancelTimerCommandAttributes, settings: _Settings) -> None:
    _require_id("TimerId", attributes.timer_id, "CancelTimerCommand")


def _record_marker(attributes: RecordMarkerCommandAttributes, settings: _Settings) -> None:
    _require_id("MarkerName", attributes.marker_name, "RecordMarkerCommand")
    size = sum(
        byte_length(key) + payloads.ByteSize() for key, payloads in attributes.details.items()
    )
    _limit(size, "RecordMarkerCommandAttributes.Details")


def _upsert_search_attributes(
    attributes: UpsertWorkflowSearchAttributesCommandAttributes, settings: _Settings
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
        raise _TooLargeError(error.message) from None


def _modify_properties(
    attributes: ModifyWorkflowPropertiesCommandAttributes, settings: _Settings
) -> None:
    if not attributes.HasField("upserted_memo"):
        raise invalid_argument("UpsertedMemo is not set on ModifyWorkflowPropertiesCommand.")
    if not attributes.upserted_memo.fields:
        raise invalid_argument("UpsertedMemo.Fields is not set on ModifyWorkflowPropertiesCommand.")
    if attributes.upserted_memo.ByteSize() > MAX_MEMO_SIZE:
        raise _TooLargeError("ModifyWorkflowPropertiesCommandAttributes exceeds size limit.")


def _complete_workflow(
    attributes: CompleteWorkflowExecutionCommandAttributes, settings: _Settings
) -> None:
    _limit(attributes.result.ByteSize(), "CompleteWorkflowExecutionCommandAttributes.Result")


def _fail_workflow(attributes: FailWorkflowExecutionCommandAttributes, settings: _Settings) -> None:
    if not attributes.HasField("failure"):
        raise invalid_argument("Failure is not set on FailWorkflowExecutionCommand.")
    _limit(attributes.failure.ByteSize(), "FailWorkflowExecutionCommandAttributes.Failure")


def _cancel_workflow(attributes: object, settings: _Settings) -> None:
    """Anything goes, even if nobody asked for the cancellation."""


def _require_id(told_as: str, value: str, command: str) -> None:
    if not value:
        raise invalid_argument(f"{told_as} is not set on {command}.")
    if is_too_long(value):
        raise invalid_argument(
            f"{told_as} on {command} exceeds length limit. "
            f"{told_as}={value} Length={byte_length(value)} Limit={MAX_ID_LENGTH}"
        )


def _limit(size: int, told_as: str) -> None:
    if size > MAX_PAYLOAD_SIZE:
        raise _TooLargeError(f"{told_as} exceeds size limit.")


@dataclass(frozen=True)
class _Check:
    """How attributes of one command type are checked, and the causes that failures are given."""

    field: str
    attributes: Callable[[Any, _Settings], None]
    cause: Cause.ValueType
    cause_if_too_large: Cause.ValueType | None = None


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
    CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION: _Check(
        "cancel_workflow_execution_command_attributes",
        _cancel_workflow,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_WORKFLOW_EXECUTION_ATTRIBUTES,
    ),
}
