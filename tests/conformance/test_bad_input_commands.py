"""Commands that are refused: the answer to the worker, and what becomes of its workflow task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import (
    CancelTimerCommandAttributes,
    Command,
    CompleteWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
    ModifyWorkflowPropertiesCommandAttributes,
    RecordMarkerCommandAttributes,
    StartTimerCommandAttributes,
    UpsertWorkflowSearchAttributesCommandAttributes,
)
from temporalio.api.common.v1 import (
    ActivityType,
    Memo,
    Payload,
    Payloads,
    Priority,
    RetryPolicy,
    SearchAttributes,
)
from temporalio.api.enums.v1 import CommandType
from temporalio.api.failure.v1 import Failure
from temporalio.api.taskqueue.v1 import TaskQueue

from tests.conformance.commands import (
    cancel_timer,
    complete_workflow,
    record_marker,
    request_cancel_activity,
    schedule_activity,
    seconds,
    start_timer,
    upsert_search_attributes,
)
from tests.conformance.refusals import LONG
from tests.conformance.scenario import scenario
from tests.conformance.world import World

LARGE = Payloads(payloads=[Payload(data=b"x" * (2 * 1024 * 1024 + 1))])

WITHOUT_ATTRIBUTES = [
    "SCHEDULE_ACTIVITY_TASK",
    "REQUEST_CANCEL_ACTIVITY_TASK",
    "START_TIMER",
    "CANCEL_TIMER",
    "RECORD_MARKER",
    "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
    "MODIFY_WORKFLOW_PROPERTIES",
    "COMPLETE_WORKFLOW_EXECUTION",
    "FAIL_WORKFLOW_EXECUTION",
    "CANCEL_WORKFLOW_EXECUTION",
]


async def observe_answer(world: World, *commands: Command, **fields: Any) -> None:
    """Answer the next workflow task, note what the server says to it, and the history after it."""
    run = await world.start()
    await observe_next_answer(world, *commands, **fields)
    await world.observe_history("history", run)


async def observe_next_answer(world: World, *commands: Command, **fields: Any) -> None:
    task = await world.raw.poll_workflow_task()
    await world.observe_error("answer", world.raw.complete_workflow_task(task, *commands, **fields))


def altered(command: Command, **fields: Any) -> Command:
    """The command with other attributes; None leaves an attribute out."""
    attributes = getattr(command, command.WhichOneof("attributes") or "")
    for name, value in fields.items():
        attributes.ClearField(name)
        if value is not None:
            attributes.MergeFrom(type(attributes)(**{name: value}))
    return command


def timer(timer_id: str = "timer", duration: Duration | None = None) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_START_TIMER,
        start_timer_command_attributes=StartTimerCommandAttributes(
            timer_id=timer_id, start_to_fire_timeout=duration
        ),
    )


def upsert(search_attributes: SearchAttributes | None) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        upsert_workflow_search_attributes_command_attributes=(
            UpsertWorkflowSearchAttributesCommandAttributes(search_attributes=search_attributes)
        ),
    )


def modify(memo: Memo | None) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES,
        modify_workflow_properties_command_attributes=ModifyWorkflowPropertiesCommandAttributes(
            upserted_memo=memo
        ),
    )


def fail(failure: Failure | None) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
        fail_workflow_execution_command_attributes=FailWorkflowExecutionCommandAttributes(
            failure=failure
        ),
    )


def complete(result: Payloads) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
        complete_workflow_execution_command_attributes=CompleteWorkflowExecutionCommandAttributes(
            result=result
        ),
    )


def marker(details: Payloads) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_RECORD_MARKER,
        record_marker_command_attributes=RecordMarkerCommandAttributes(
            marker_name="marker", details={"details": details}
        ),
    )


@pytest.mark.parametrize("kind", WITHOUT_ATTRIBUTES)
@scenario()
async def test_command_without_attributes_is_refused(world: World, kind: str) -> None:
    command_type = CommandType.Value(f"COMMAND_TYPE_{kind}")
    await observe_answer(world, Command(command_type=command_type))


@scenario()
async def test_command_with_attributes_of_another_kind_is_refused(world: World) -> None:
    command = Command(
        command_type=CommandType.COMMAND_TYPE_START_TIMER,
        cancel_timer_command_attributes=CancelTimerCommandAttributes(timer_id="timer"),
    )
    await observe_answer(world, command)


ACTIVITY_MISTAKES: dict[str, dict[str, Any]] = {
    "id missing": {"activity_id": ""},
    "id too long": {"activity_id": LONG},
    "type missing": {"activity_type": None},
    "type empty": {"activity_type": ActivityType()},
    "type too long": {"activity_type": ActivityType(name=LONG)},
    "queue missing": {"task_queue": None},
    "queue empty": {"task_queue": TaskQueue()},
    "queue too long": {"task_queue": TaskQueue(name=LONG)},
    "queue reserved": {"task_queue": TaskQueue(name="/_sys/queue")},
    "queue internal": {"task_queue": TaskQueue(name="temporal-sys-per-ns-tq")},
    "no timeout": {"start_to_close_timeout": None},
    "only schedule to start": {
        "start_to_close_timeout": None,
        "schedule_to_start_timeout": seconds(5),
    },
    "schedule to close negative": {"schedule_to_close_timeout": seconds(-1)},
    "schedule to start negative": {"schedule_to_start_timeout": seconds(-1)},
    "start to close negative": {"start_to_close_timeout": seconds(-1)},
    "heartbeat negative": {"heartbeat_timeout": seconds(-1)},
    "start to close of two signs": {"start_to_close_timeout": Duration(seconds=1, nanos=-1)},
    "retry interval negative": {"retry_policy": RetryPolicy(initial_interval=seconds(-1))},
    "retry coefficient below one": {"retry_policy": RetryPolicy(backoff_coefficient=0.5)},
    "retry attempts negative": {"retry_policy": RetryPolicy(maximum_attempts=-1)},
    "priority": {"priority": Priority(priority_key=-1)},
    "fairness key": {"priority": Priority(fairness_key="k" * 65)},
    "input too large": {"input": LARGE},
    "first queue, then id": {"task_queue": None, "activity_id": ""},
    "first id, then type": {"activity_id": "", "activity_type": None},
    "first type, then retry policy": {
        "activity_type": None,
        "retry_policy": RetryPolicy(maximum_attempts=-1),
    },
    "first retry policy, then length of the id": {
        "retry_policy": RetryPolicy(maximum_attempts=-1),
        "activity_id": LONG,
    },
    "first priority, then timeouts": {
        "priority": Priority(priority_key=-1),
        "start_to_close_timeout": None,
    },
    "first id, then size": {"activity_id": "", "input": LARGE},
}


@pytest.mark.parametrize("mistake", ACTIVITY_MISTAKES)
@scenario()
async def test_activity_is_refused(world: World, mistake: str) -> None:
    good = schedule_activity("activity", task_queue="queue", start_to_close=60)
    await observe_answer(world, altered(good, **ACTIVITY_MISTAKES[mistake]))


BAD_COMMANDS: dict[str, Callable[[], list[Command]]] = {
    "cancel activity 0": lambda: [request_cancel_activity(0)],
    "cancel activity -1": lambda: [request_cancel_activity(-1)],
    "cancel activity of no event": lambda: [request_cancel_activity(99)],
    "cancel activity of another event": lambda: [request_cancel_activity(2)],
    "timer id missing": lambda: [timer("")],
    "timer id too long": lambda: [timer(LONG)],
    "timer negative": lambda: [timer(duration=seconds(-1))],
    "timer of two signs": lambda: [timer(duration=Duration(seconds=1, nanos=-1))],
    "timer id too long and negative": lambda: [timer(LONG, seconds(-1))],
    "timer twice": lambda: [start_timer("timer", 60), start_timer("timer", 60)],
    "cancel timer id missing": lambda: [cancel_timer("")],
    "cancel timer id too long": lambda: [cancel_timer(LONG)],
    "cancel timer unknown": lambda: [cancel_timer("nobody")],
    "marker name missing": lambda: [record_marker("")],
    "marker name too long": lambda: [record_marker(LONG)],
    "marker too large": lambda: [marker(LARGE)],
    "search attributes missing": lambda: [upsert(None)],
    "search attributes empty": lambda: [upsert(SearchAttributes())],
    "search attribute unknown": lambda: [upsert_search_attributes(Color=("Keyword", "red"))],
    "search attribute of the system": lambda: [
        upsert_search_attributes(WorkflowId=("Keyword", "order"))
    ],
    "search attribute of another type": lambda: [
        upsert_search_attributes(ConformanceInt=("Int", "red"))
    ],
    "search attribute too large": lambda: [
        upsert_search_attributes(ConformanceKeyword=("Keyword", "x" * 2047))
    ],
    "memo missing": lambda: [modify(None)],
    "memo empty": lambda: [modify(Memo())],
    "memo too large": lambda: [modify(Memo(fields={"field": LARGE.payloads[0]}))],
    "failure missing": lambda: [fail(None)],
    "failure too large": lambda: [fail(Failure(message="x" * (2 * 1024 * 1024 + 1)))],
    "result too large": lambda: [complete(LARGE)],
    "two ends": lambda: [complete_workflow(), complete_workflow()],
    "timer after the end": lambda: [complete_workflow(), start_timer("timer", 60)],
    "unknown after the end": lambda: [
        complete_workflow(),
        Command(command_type=999),  # type: ignore[arg-type]
    ],
    "unknown": lambda: [Command(command_type=999)],  # type: ignore[arg-type]
    "unspecified": lambda: [Command()],
    "unknown before two ends": lambda: [
        Command(command_type=999),  # type: ignore[arg-type]
        complete_workflow(),
        complete_workflow(),
    ],
    "good before bad": lambda: [start_timer("timer", 60), timer("")],
    "bad before the end": lambda: [timer(""), complete_workflow()],
}


@pytest.mark.parametrize("mistake", BAD_COMMANDS)
@scenario()
async def test_command_is_refused(world: World, mistake: str) -> None:
    await observe_answer(world, *BAD_COMMANDS[mistake]())


@pytest.mark.parametrize("wish", ["force_create_new_workflow_task", "return_new_workflow_task"])
@scenario()
async def test_refused_answer_brings_no_new_task(world: World, wish: str) -> None:
    await observe_answer(world, timer(""), **{wish: True})


@scenario()
async def test_command_is_refused_with_a_signal_in_the_buffer(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.signal(run)
    await world.observe_error("answer", world.raw.complete_workflow_task(task, timer("")))
    await world.observe_history("history", run)


@scenario()
async def test_sequence_is_refused_with_a_signal_in_the_buffer(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.signal(run)
    asked = world.raw.complete_workflow_task(task, complete_workflow(), complete_workflow())
    await world.observe_error("answer", asked)
    await world.observe_history("history", run)


@scenario()
async def test_command_that_is_too_large_is_refused_with_a_signal_in_the_buffer(
    world: World,
) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.signal(run)
    await world.observe_error("answer", world.raw.complete_workflow_task(task, marker(LARGE)))
    await world.observe_history("history", run)


@scenario()
async def test_command_is_refused_a_second_time(world: World) -> None:
    run = await world.start()
    await observe_next_answer(world, timer(""))
    await observe_next_answer(world, timer(""))
    await world.observe_history("history", run)


@pytest.mark.parametrize("pending", ["timer", "activity"])
@scenario()
async def test_id_that_is_taken_is_refused(world: World, pending: str) -> None:
    run = await world.start()

    def command() -> Command:
        if pending == "timer":
            return start_timer("same", 60)
        return schedule_activity("same", task_queue=world.unique("nobody"), start_to_close=60)

    await world.raw.run_workflow_task(command(), force_create_new_workflow_task=True)
    await observe_next_answer(world, command())
    await world.observe_history("history", run)


@scenario()
async def test_timer_is_cancelled_once(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(start_timer("timer", 60), force_create_new_workflow_task=True)
    await observe_next_answer(world, cancel_timer("timer"), cancel_timer("timer"))
    await world.observe_history("history", run)


@scenario()
async def test_timer_id_is_free_after_cancelling(world: World) -> None:
    await observe_answer(
        world, start_timer("timer", 60), cancel_timer("timer"), start_timer("timer", 60)
    )


@scenario()
async def test_activity_that_is_over_is_not_cancelled(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("activity", task_queue=world.unique("nobody"), start_to_close=60),
        force_create_new_workflow_task=True,
    )
    await world.raw.run_workflow_task(request_cancel_activity(5))
    await observe_next_answer(world, request_cancel_activity(5))
    await world.observe_history("history", run)
