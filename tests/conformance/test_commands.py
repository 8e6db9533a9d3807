"""What each command does to the history, and what the server says of one it cannot accept."""

from __future__ import annotations

from typing import Any

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import CommandType
from temporalio.api.sdk.v1 import UserMetadata

from tests.conformance.commands import (
    cancel_timer,
    cancel_workflow,
    complete_workflow,
    fail_workflow,
    modify_memo,
    record_marker,
    request_cancel_activity,
    schedule_activity,
    seconds,
    start_timer,
    upsert_search_attributes,
)
from tests.conformance.payloads import application_failure, header, memo, payload, search_attributes
from tests.conformance.scenario import options, scenario
from tests.conformance.world import World


async def observe_refusal(world: World, label: str, *commands: Command) -> None:
    """Note how a server refuses these commands in a workflow of their own."""
    run = await world.start(label.replace(" ", "-"))
    task = await world.raw.poll_workflow_task()
    await world.observe_error(f"{label}: answer", world.raw.complete_workflow_task(task, *commands))
    await world.observe_history(f"{label}: history", run)
    world.observe(f"{label}: description", await world.describe(run))
    await world.terminate_if_running(run)


@scenario(
    "command:StartTimer",
    "event:TimerStarted",
    "event:TimerFired",
    "event:WorkflowTaskScheduled",
    *options("StartTimerCommandAttributes", "timer_id", "start_to_fire_timeout"),
)
async def test_a_timer_fires(world: World) -> None:
    await world.start()
    await world.raw.run_workflow_task(start_timer("t", 1))
    world.observe_task("task", await world.raw.poll_workflow_task())


@scenario("command:StartTimer", "event:TimerFired")
async def test_a_timer_of_no_time_fires(world: World) -> None:
    await world.start()
    await world.raw.run_workflow_task(start_timer("t", 0))
    world.observe_task("task", await world.raw.poll_workflow_task())


@scenario("command:StartTimer", "event:TimerFired")
async def test_timers_fire_in_the_order_of_their_due_times(world: World) -> None:
    await world.start()
    await world.raw.run_workflow_task(start_timer("second", 1.2), start_timer("first", 0.2))
    await world.raw.run_workflow_task()
    world.observe_task("task", await world.raw.poll_workflow_task())


@scenario("command:StartTimer", "event:TimerFired")
async def test_a_timer_fires_while_a_task_is_in_flight(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(start_timer("t", 1))
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    await world.pass_time(2.5)
    await world.observe_history("in flight", run)
    await world.raw.complete_workflow_task(task)
    await world.observe_history("history", run)


@scenario(
    "command:CancelTimer",
    "event:TimerCanceled",
    *options("CancelTimerCommandAttributes", "timer_id"),
)
async def test_a_timer_is_cancelled(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(start_timer("t", 100))
    await world.signal(run)
    await world.raw.run_workflow_task(cancel_timer("t"))
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("command:StartTimer", "command:CancelTimer")
async def test_a_timer_is_started_and_cancelled_in_one_task(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        start_timer("t", 100), cancel_timer("t"), start_timer("t", 200)
    )
    await world.observe_history("history", run)


@scenario("command:CancelTimer")
async def test_a_timer_is_cancelled_that_fired_meanwhile(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(start_timer("t", 1))
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    await world.pass_time(2.5)
    await world.observe_error("answer", world.raw.complete_workflow_task(task, cancel_timer("t")))
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario(
    "command:RecordMarker",
    "event:MarkerRecorded",
    *options("RecordMarkerCommandAttributes", "marker_name", "details", "header", "failure"),
)
async def test_markers_are_recorded(world: World) -> None:
    run = await world.start()
    marker = record_marker("Version", change_id="fix", version=1)
    marker.record_marker_command_attributes.header.CopyFrom(header(trace="t-1"))
    marker.record_marker_command_attributes.failure.CopyFrom(application_failure("no"))
    await world.raw.run_workflow_task(marker, record_marker("empty"))
    await world.observe_history("history", run)


@scenario(
    "command:UpsertWorkflowSearchAttributes",
    "event:UpsertWorkflowSearchAttributes",
    *options("UpsertWorkflowSearchAttributesCommandAttributes", "search_attributes"),
)
async def test_search_attributes_are_upserted(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        upsert_search_attributes(ConformanceKeyword=("Keyword", "blue"), ConformanceInt=("Int", 1)),
        upsert_search_attributes(ConformanceInt=("Int", 2)),
        upsert_search_attributes(TemporalChangeVersion=("KeywordList", ["fix-1"])),
    )
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))
    await world.signal(run)
    await world.raw.run_workflow_task(upsert_search_attributes(ConformanceInt=("Int", None)))
    world.observe("one removed", await world.describe(run))


@scenario("command:UpsertWorkflowSearchAttributes", "event:UpsertWorkflowSearchAttributes")
async def test_search_attributes_without_their_types(world: World) -> None:
    run = await world.start(
        search_attributes=search_attributes(ConformanceInt=("", 1), ConformanceText=("", "a b"))
    )
    await world.raw.run_workflow_task(
        upsert_search_attributes(
            ConformanceKeyword=("", "blue"),
            ConformanceInt=("", None),
            TemporalChangeVersion=("", ["fix-1"]),
        )
    )
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario(
    "command:ModifyWorkflowProperties",
    "event:WorkflowPropertiesModified",
    *options("ModifyWorkflowPropertiesCommandAttributes", "upserted_memo"),
)
async def test_the_memo_is_modified(world: World) -> None:
    run = await world.start(memo=memo(kept=1, changed=1, removed=1))
    await world.raw.run_workflow_task(modify_memo(changed=2, added=3, removed=None))
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario(
    "command:FailWorkflowExecution",
    "event:WorkflowExecutionFailed",
    *options("FailWorkflowExecutionCommandAttributes", "failure"),
)
async def test_a_run_fails(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(fail_workflow("out of books"))
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("option:Command.user_metadata")
async def test_commands_carry_user_metadata(world: World) -> None:
    run = await world.start()
    metadata = UserMetadata(summary=payload("why"), details=payload("in detail"))
    commands = [
        start_timer("t", 100),
        schedule_activity("a", task_queue=world.task_queue, start_to_close=100),
        record_marker("m"),
        upsert_search_attributes(ConformanceInt=("Int", 1)),
        modify_memo(added=1),
        complete_workflow(),
    ]
    for command in commands:
        command.user_metadata.CopyFrom(metadata)
    await world.raw.run_workflow_task(*commands)
    await world.observe_history("history", run)


@scenario("rpc:RespondWorkflowTaskCompleted", *options("Command", "command_type"))
async def test_events_follow_the_order_of_commands(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        record_marker("first"),
        schedule_activity("a", task_queue=world.task_queue, start_to_close=100),
        modify_memo(added=1),
        start_timer("t", 100),
        upsert_search_attributes(ConformanceInt=("Int", 1)),
        request_cancel_activity(6),
        cancel_timer("t"),
        record_marker("last"),
    )
    await world.observe_history("history", run)


@scenario("command:ScheduleActivityTask", "event:WorkflowTaskFailed")
async def test_activities_that_cannot_be_scheduled(world: World) -> None:
    queue = world.task_queue

    def activity(**options: Any) -> Command:
        return schedule_activity(
            **{"activity_id": "a", "task_queue": queue, "start_to_close": 10, **options}
        )

    cases = {
        "no id": activity(activity_id=""),
        "no type": activity(activity_type=""),
        "no timeout": activity(start_to_close=None),
        "negative timeout": activity(start_to_close=-1),
        "negative heartbeat": activity(heartbeat=-1),
        "no task queue": activity(task_queue=""),
        "negative attempts": activity(retry_policy=RetryPolicy(maximum_attempts=-1)),
        "negative interval": activity(retry_policy=RetryPolicy(initial_interval=seconds(-1))),
        "shrinking backoff": activity(
            retry_policy=RetryPolicy(initial_interval=seconds(1), backoff_coefficient=0.5)
        ),
        "small maximum interval": activity(
            retry_policy=RetryPolicy(initial_interval=seconds(2), maximum_interval=seconds(1))
        ),
        "long id": activity(activity_id="a" * 1001),
        "long type": activity(activity_type="a" * 1001),
        "reserved queue": activity(task_queue="/_sys/reserved"),
    }
    for label, command in cases.items():
        await observe_refusal(world, label, command)
    await observe_refusal(world, "same id twice", activity(), activity())


@scenario("command:StartTimer", "command:CancelTimer", "event:WorkflowTaskFailed")
async def test_timers_that_cannot_be_started_or_cancelled(world: World) -> None:
    await observe_refusal(world, "no id", start_timer("", 10))
    await observe_refusal(world, "negative", start_timer("t", -1))
    await observe_refusal(world, "same id twice", start_timer("t", 10), start_timer("t", 10))
    await observe_refusal(world, "long id", start_timer("t" * 1001, 10))
    await observe_refusal(world, "cancel without id", cancel_timer(""))
    await observe_refusal(world, "cancel unknown", cancel_timer("unknown"))
    await observe_refusal(
        world, "cancel twice", start_timer("t", 10), cancel_timer("t"), cancel_timer("t")
    )


@scenario("command:RequestCancelActivityTask", "event:WorkflowTaskFailed")
async def test_activity_cancellations_that_cannot_be_requested(world: World) -> None:
    await observe_refusal(world, "no event", request_cancel_activity(0))
    await observe_refusal(world, "unknown event", request_cancel_activity(99))
    await observe_refusal(world, "another event", request_cancel_activity(1))


@scenario(
    "command:CompleteWorkflowExecution",
    "command:FailWorkflowExecution",
    "command:CancelWorkflowExecution",
    "event:WorkflowTaskFailed",
)
async def test_runs_that_cannot_be_closed(world: World) -> None:
    no_failure = fail_workflow()
    no_failure.fail_workflow_execution_command_attributes.ClearField("failure")
    await observe_refusal(world, "no failure", no_failure)
    await observe_refusal(world, "complete twice", complete_workflow(), complete_workflow())
    await observe_refusal(world, "cancel then fail", cancel_workflow(), fail_workflow())


@scenario("command:RecordMarker", "event:WorkflowTaskFailed")
async def test_markers_that_cannot_be_recorded(world: World) -> None:
    await observe_refusal(world, "no name", record_marker(""))
    await observe_refusal(world, "long name", record_marker("m" * 1001))


@scenario(
    "command:UpsertWorkflowSearchAttributes",
    "command:ModifyWorkflowProperties",
    "event:WorkflowTaskFailed",
)
async def test_properties_that_cannot_be_changed(world: World) -> None:
    await observe_refusal(world, "no search attributes", upsert_search_attributes())
    await observe_refusal(
        world, "unknown search attribute", upsert_search_attributes(Nonsense=("Int", 1))
    )
    await observe_refusal(
        world, "wrong type", upsert_search_attributes(ConformanceInt=("Int", "one"))
    )
    await observe_refusal(
        world, "reserved", upsert_search_attributes(WorkflowId=("Keyword", "other"))
    )
    await observe_refusal(world, "no memo", modify_memo())


@scenario("rpc:RespondWorkflowTaskCompleted")
async def test_commands_without_attributes(world: World) -> None:
    for kind in (
        CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
        CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK,
        CommandType.COMMAND_TYPE_START_TIMER,
        CommandType.COMMAND_TYPE_CANCEL_TIMER,
        CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
        CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
        CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
        CommandType.COMMAND_TYPE_RECORD_MARKER,
        CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        CommandType.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES,
        CommandType.COMMAND_TYPE_UNSPECIFIED,
    ):
        await observe_refusal(world, CommandType.Name(kind), Command(command_type=kind))


@scenario("event:WorkflowTaskFailed")
async def test_one_bad_command_undoes_the_others_of_its_task(world: World) -> None:
    run = await world.start()
    await world.observe_error(
        "answer",
        world.raw.run_workflow_task(
            start_timer("t", 1),
            schedule_activity("a", task_queue=world.task_queue, start_to_close=100),
            modify_memo(added=1),
            upsert_search_attributes(ConformanceInt=("Int", 1)),
            cancel_timer("unknown"),
        ),
    )
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))
    world.observe("the activity's queue", await world.raw.poll_activity_queue(wait=4))
    await world.raw.run_workflow_task(start_timer("t", 1))
    await world.raw.run_workflow_task()
    await world.observe_history("history after", run)
