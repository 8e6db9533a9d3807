from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import (
    CancelTimerCommandAttributes,
    CancelWorkflowExecutionCommandAttributes,
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
from temporalio.api.common.v1 import ActivityType, Memo, Payload, Payloads, SearchAttributes
from temporalio.api.enums.v1 import CommandType, IndexedValueType
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.api.taskqueue.v1 import TaskQueue

from tests.server.validation.refusals import refusal
from timeskip.server.validation.bad_commands import BadCommand
from timeskip.server.validation.commands import (
    validate_command,
    validate_command_sequence,
)

STARTED = WorkflowExecutionStartedEventAttributes(task_queue=TaskQueue(name="orders"))
LARGE = Payload(data=b"x" * (2 * 1024 * 1024 + 1))
LARGE_LIST = Payloads(payloads=[LARGE])
LONG = "x" * 1001

FIELD_OF = {
    type(message): (field.name, field.name.removesuffix("_command_attributes").upper())
    for field in Command.DESCRIPTOR.oneofs_by_name["attributes"].fields
    for message in [getattr(Command(), field.name)]
}


def command(attributes: Any) -> Command:
    field, kind = FIELD_OF[type(attributes)]
    return Command(command_type=CommandType.Value(f"COMMAND_TYPE_{kind}"), **{field: attributes})


def validate(checked: Command) -> None:
    types = {"Color": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD}
    validate_command(checked, STARTED, "default", types)


def bad(checked: Command) -> BadCommand:
    with pytest.raises(BadCommand) as raised:
        validate(checked)
    return raised.value


def upserted(value: Payload, name: str = "Color") -> Command:
    return command(
        UpsertWorkflowSearchAttributesCommandAttributes(
            search_attributes=SearchAttributes(indexed_fields={name: value})
        )
    )


@pytest.mark.parametrize(
    ("command_type", "message"),
    [
        (kind, f"{cause}: {name}CommandAttributes is not set on {name}Command.")
        for kind, name, cause in [
            (
                CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
                "ScheduleActivityTask",
                "BadScheduleActivityAttributes",
            ),
            (
                CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK,
                "RequestCancelActivityTask",
                "BadRequestCancelActivityAttributes",
            ),
            (CommandType.COMMAND_TYPE_START_TIMER, "StartTimer", "BadStartTimerAttributes"),
            (CommandType.COMMAND_TYPE_CANCEL_TIMER, "CancelTimer", "BadCancelTimerAttributes"),
            (CommandType.COMMAND_TYPE_RECORD_MARKER, "RecordMarker", "BadRecordMarkerAttributes"),
            (
                CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
                "UpsertWorkflowSearchAttributes",
                "BadSearchAttributes",
            ),
            (
                CommandType.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES,
                "ModifyWorkflowProperties",
                "BadModifyWorkflowPropertiesAttributes",
            ),
            (
                CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
                "CompleteWorkflowExecution",
                "BadCompleteWorkflowExecutionAttributes",
            ),
            (
                CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
                "FailWorkflowExecution",
                "BadFailWorkflowExecutionAttributes",
            ),
            (
                CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
                "CancelWorkflowExecution",
                "BadCancelWorkflowExecutionAttributes",
            ),
        ]
    ],
)
def test_validate_command_without_its_attributes(
    command_type: CommandType.ValueType, message: str
) -> None:
    assert bad(Command(command_type=command_type)).full_message == message
    if command_type != CommandType.COMMAND_TYPE_CANCEL_TIMER:
        other = Command(
            command_type=command_type,
            cancel_timer_command_attributes=CancelTimerCommandAttributes(timer_id="t"),
        )
        assert bad(other).full_message == message


@pytest.mark.parametrize(
    ("checked", "cause", "message"),
    [
        (
            command(ScheduleActivityTaskCommandAttributes(task_queue=TaskQueue(name="q"))),
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES,
            "activityId is not set",
        ),
        (
            command(RequestCancelActivityTaskCommandAttributes()),
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES,
            "ScheduledEventId is not set on RequestCancelActivityTaskCommand.",
        ),
        (
            command(StartTimerCommandAttributes()),
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_TIMER_ATTRIBUTES,
            "TimerId is not set on StartTimerCommand.",
        ),
        (
            command(StartTimerCommandAttributes(timer_id=LONG)),
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_TIMER_ATTRIBUTES,
            (
                f"TimerId on StartTimerCommand exceeds length limit. "
                f"TimerId={LONG} Length=1001 Limit=1000"
            ),
        ),
        (
            command(
                StartTimerCommandAttributes(
                    timer_id="t", start_to_fire_timeout=Duration(seconds=-1)
                )
            ),
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_TIMER_ATTRIBUTES,
            (
                "An invalid StartToFireTimeout is set on StartTimerCommand: negative duration. "
                "TimerId=t"
            ),
        ),
        (
            command(CancelTimerCommandAttributes()),
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES,
            "TimerId is not set on CancelTimerCommand.",
        ),
        (
            command(RecordMarkerCommandAttributes()),
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_RECORD_MARKER_ATTRIBUTES,
            "MarkerName is not set on RecordMarkerCommand.",
        ),
        (
            command(UpsertWorkflowSearchAttributesCommandAttributes()),
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES,
            "SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand.",
        ),
        (
            command(
                UpsertWorkflowSearchAttributesCommandAttributes(
                    search_attributes=SearchAttributes()
                )
            ),
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES,
            "IndexedFields is not set on UpsertWorkflowSearchAttributesCommand.",
        ),
        (
            upserted(Payload(), "Shape"),
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES,
            "Namespace default has no mapping defined for search attribute Shape",
        ),
        (
            command(ModifyWorkflowPropertiesCommandAttributes()),
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES,
            "UpsertedMemo is not set on ModifyWorkflowPropertiesCommand.",
        ),
        (
            command(ModifyWorkflowPropertiesCommandAttributes(upserted_memo=Memo())),
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES,
            "UpsertedMemo.Fields is not set on ModifyWorkflowPropertiesCommand.",
        ),
        (
            command(FailWorkflowExecutionCommandAttributes()),
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES,
            "Failure is not set on FailWorkflowExecutionCommand.",
        ),
    ],
)
def test_validate_command_refuses(checked: Command, cause: Cause.ValueType, message: str) -> None:
    refused = bad(checked)
    assert (refused.cause, refused.message) == (cause, message)
    assert not refused.terminates_workflow


@pytest.mark.parametrize(
    ("checked", "message"),
    [
        (
            command(
                ScheduleActivityTaskCommandAttributes(
                    activity_id="a",
                    activity_type=ActivityType(name="A"),
                    task_queue=TaskQueue(name="q"),
                    start_to_close_timeout=Duration(seconds=1),
                    input=LARGE_LIST,
                )
            ),
            (
                "BadScheduleActivityAttributes: "
                "ScheduleActivityTaskCommandAttributes.Input exceeds size limit."
            ),
        ),
        (
            command(RecordMarkerCommandAttributes(marker_name="m", details={"d": LARGE_LIST})),
            "BadRecordMarkerAttributes: RecordMarkerCommandAttributes.Details exceeds size limit.",
        ),
        (
            upserted(Payload(metadata={"encoding": b"json/plain"}, data=b'"' + b"x" * 2047 + b'"')),
            "BadSearchAttributes: search attribute Color value size 2049 exceeds size limit 2048",
        ),
        (
            command(
                ModifyWorkflowPropertiesCommandAttributes(upserted_memo=Memo(fields={"k": LARGE}))
            ),
            (
                "BadModifyWorkflowPropertiesAttributes: "
                "ModifyWorkflowPropertiesCommandAttributes exceeds size limit."
            ),
        ),
        (
            command(CompleteWorkflowExecutionCommandAttributes(result=LARGE_LIST)),
            (
                "BadScheduleActivityAttributes: "
                "CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit."
            ),
        ),
        (
            command(
                FailWorkflowExecutionCommandAttributes(
                    failure=Failure(message="x" * (2 * 1024 * 1024))
                )
            ),
            (
                "BadFailWorkflowExecutionAttributes: "
                "FailWorkflowExecutionCommandAttributes.Failure exceeds size limit."
            ),
        ),
    ],
    ids=["activity", "marker", "search attribute", "memo", "result", "failure"],
)
def test_validate_command_that_is_too_large_ends_the_run(checked: Command, message: str) -> None:
    refused = bad(checked)
    assert refused.full_message == message
    assert refused.terminates_workflow


@pytest.mark.parametrize(
    "checked",
    [
        command(RequestCancelActivityTaskCommandAttributes(scheduled_event_id=5)),
        command(StartTimerCommandAttributes(timer_id="t")),
        command(CancelTimerCommandAttributes(timer_id="t")),
        command(RecordMarkerCommandAttributes(marker_name="m")),
        upserted(Payload(metadata={"encoding": b"json/plain"}, data=b'"red"')),
        command(
            ModifyWorkflowPropertiesCommandAttributes(upserted_memo=Memo(fields={"k": Payload()}))
        ),
        command(CompleteWorkflowExecutionCommandAttributes()),
        command(FailWorkflowExecutionCommandAttributes(failure=Failure())),
        command(CancelWorkflowExecutionCommandAttributes()),
    ],
)
def test_validate_command_accepts(checked: Command) -> None:
    validate(checked)


def test_validate_command_caps_a_timer() -> None:
    timer = command(
        StartTimerCommandAttributes(
            timer_id="t", start_to_fire_timeout=Duration(seconds=400_000_000_000)
        )
    )
    validate(timer)
    assert timer.start_timer_command_attributes.start_to_fire_timeout.seconds == 3_153_600_000


def test_bad_command_without_a_message_is_only_its_cause() -> None:
    refused = BadCommand(Cause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND)
    assert refused.full_message == "UnhandledCommand"


TIMER = Command(command_type=CommandType.COMMAND_TYPE_START_TIMER)
COMPLETE = Command(command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION)
UNKNOWN = Command(command_type=999)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        (
            [COMPLETE, COMPLETE],
            (
                "invalid command sequence: [CompleteWorkflowExecution, CompleteWorkflowExecution], "
                "command CompleteWorkflowExecution must be the last command."
            ),
        ),
        (
            [COMPLETE, TIMER, UNKNOWN],
            (
                "invalid command sequence: [CompleteWorkflowExecution, StartTimer, 999], "
                "command CompleteWorkflowExecution must be the last command."
            ),
        ),
        ([TIMER, UNKNOWN, COMPLETE, TIMER], "unknown command type: 999"),
        ([Command()], "unknown command type: Unspecified"),
    ],
)
def test_validate_command_sequence_refuses(commands: list[Command], message: str) -> None:
    assert refusal(validate_command_sequence, commands) == message


def test_validate_command_sequence_accepts() -> None:
    validate_command_sequence([])
    validate_command_sequence([TIMER, TIMER, COMPLETE])
