"""Workflow tasks: attempts, failures, timeouts, and the ways to get another one."""

from __future__ import annotations

from datetime import timedelta

from temporalio.api.common.v1 import MeteringMetadata
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History
from temporalio.api.sdk.v1 import WorkflowTaskCompletedMetadata
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest

from tests.conformance.commands import (
    complete_workflow,
    record_marker,
    schedule_activity,
    seconds,
    start_timer,
)
from tests.conformance.scenario import options, scenario
from tests.conformance.world import World

FAILED = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR


@scenario(
    "rpc:PollWorkflowTaskQueue",
    "rpc:RespondWorkflowTaskCompleted",
    "event:WorkflowTaskScheduled",
    "event:WorkflowTaskStarted",
    "event:WorkflowTaskCompleted",
    "event:WorkflowExecutionCompleted",
    "command:CompleteWorkflowExecution",
    *options("PollWorkflowTaskQueueRequest", "namespace", "identity"),
    *options(
        "RespondWorkflowTaskCompletedRequest",
        "task_token",
        "commands",
        "identity",
        "namespace",
        "binary_checksum",
        "sdk_metadata",
        "metering_metadata",
    ),
    *options("CompleteWorkflowExecutionCommandAttributes", "result"),
)
async def test_a_workflow_task_completes(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    world.observe("in flight", await world.describe(run))
    answer = await world.raw.complete_workflow_task(
        task,
        complete_workflow("shipped"),
        sdk_metadata=WorkflowTaskCompletedMetadata(
            core_used_flags=[1, 3], lang_used_flags=[2], sdk_name="raw", sdk_version="0.1"
        ),
        metering_metadata=MeteringMetadata(nonfirst_local_activity_execution_attempts=3),
        binary_checksum="checksum",
    )
    world.observe("answer", answer)
    world.observe("closed", await world.describe(run))
    await world.observe_history("history", run)


@scenario("rpc:RespondWorkflowTaskCompleted")
async def test_a_workflow_task_completes_without_commands(world: World) -> None:
    run = await world.start()
    world.observe("answer", await world.raw.run_workflow_task())
    world.observe("description", await world.describe(run))
    await world.observe_history("history", run)
    await world.signal(run)
    world.observe_task("next task", await world.raw.poll_workflow_task())


@scenario(
    "rpc:RespondWorkflowTaskFailed",
    "event:WorkflowTaskFailed",
    "option:PollWorkflowTaskQueueResponse.attempt",
    *options("RespondWorkflowTaskFailedRequest", "task_token", "failure", "identity", "namespace"),
)
async def test_a_workflow_task_fails_again_and_again(world: World) -> None:
    run = await world.start()
    for attempt in (1, 2):
        task = await world.raw.poll_workflow_task()
        world.observe_task(f"attempt {attempt}", task)
        world.observe(f"attempt {attempt} in flight", await world.describe(run))
        await world.observe_history(f"attempt {attempt} in flight: history", run)
        await world.raw.fail_workflow_task(task, f"failure {attempt}", FAILED)
        await world.observe_history(f"attempt {attempt} failed: history", run)
        world.observe(f"attempt {attempt} failed", await world.describe(run))
    task = await world.raw.poll_workflow_task()
    world.observe_task("attempt 3", task)
    await world.raw.complete_workflow_task(task, complete_workflow())
    await world.observe_history("history", run)


def without_jitter(history: History) -> History:
    """The history, with 99 s for each start-to-close timeout of a workflow task above 10 s.

    From the third failure on the real server adds a jittered backoff to it.
    """
    for event in history.events:
        scheduled = event.workflow_task_scheduled_event_attributes
        if scheduled.start_to_close_timeout.ToTimedelta() > timedelta(seconds=10):
            scheduled.start_to_close_timeout.FromTimedelta(timedelta(seconds=99))
    return history


@scenario("rpc:RespondWorkflowTaskFailed", "option:WorkflowTaskScheduledEventAttributes.attempt")
async def test_a_workflow_task_succeeds_after_three_failures(world: World) -> None:
    run = await world.start()
    for attempt in (1, 2, 3):
        task = await world.raw.poll_workflow_task()
        await world.raw.fail_workflow_task(task, f"failure {attempt}", FAILED)
    task = await world.raw.poll_workflow_task()
    world.observe("attempt", task.attempt)
    await world.raw.complete_workflow_task(task, start_timer("t", 100))
    world.observations.add_history("history", without_jitter(await world.history(run)))
    await world.signal(run)
    world.observe("the next task's attempt", (await world.raw.poll_workflow_task()).attempt)


@scenario(
    "rpc:RespondWorkflowTaskFailed",
    "event:WorkflowTaskFailed",
    *options("RespondWorkflowTaskFailedRequest", "cause"),
)
async def test_every_cause_of_failure_is_recorded(world: World) -> None:
    for name, cause in WorkflowTaskFailedCause.items():
        run, worker = await world.start_apart(name)
        task = await worker.poll_workflow_task()
        await world.observe_error(f"{name}: answer", worker.fail_workflow_task(task, "no", cause))
        await world.observe_history(f"{name}: history", run)


@scenario(
    "rpc:RespondWorkflowTaskFailed", *options("RespondWorkflowTaskFailedRequest", "binary_checksum")
)
async def test_a_workflow_task_fails_without_a_failure(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.raw.fail_workflow_task(task, Failure(), binary_checksum="checksum")
    await world.observe_history("history", run)


@scenario("rpc:RespondWorkflowTaskFailed", "rpc:SignalWorkflowExecution")
async def test_a_workflow_task_fails_while_a_signal_is_buffered(world: World) -> None:
    run = await world.start()
    for attempt in (1, 2):
        task = await world.raw.poll_workflow_task()
        await world.signal(run, f"signal {attempt}")
        await world.raw.fail_workflow_task(task, f"failure {attempt}", FAILED)
        await world.observe_history(f"failure {attempt}", run)
        world.observe(f"failure {attempt}: description", await world.describe(run))
    world.observe_task("last task", await world.raw.poll_workflow_task())


@scenario("rpc:RespondWorkflowTaskFailed", "rpc:SignalWorkflowExecution")
async def test_a_signal_arrives_between_two_attempts(world: World) -> None:
    run = await world.start()
    await world.raw.fail_workflow_task(await world.raw.poll_workflow_task(), "once", FAILED)
    await world.signal(run, "between")
    await world.observe_history("signal while attempt 2 is scheduled", run)
    task = await world.raw.poll_workflow_task()
    world.observe_task("attempt 2", task)
    await world.raw.fail_workflow_task(task, "twice", FAILED)
    await world.observe_history("failed twice", run)
    world.observe_task("next task", await world.raw.poll_workflow_task())


@scenario("rpc:RespondWorkflowTaskFailed", "rpc:SignalWorkflowExecution")
async def test_a_signal_arrives_during_the_second_attempt(world: World) -> None:
    run = await world.start()
    await world.raw.fail_workflow_task(await world.raw.poll_workflow_task(), "once", FAILED)
    task = await world.raw.poll_workflow_task()
    await world.signal(run, "during")
    await world.observe_history("signal while attempt 2 is in flight", run)
    world.observe("description", await world.describe(run))
    await world.raw.complete_workflow_task(task, start_timer("t", 100))
    await world.observe_history("attempt 2 completed", run)


@scenario("option:WorkflowTaskStartedEventAttributes.suggest_continue_as_new")
async def test_a_long_history_suggests_to_continue_as_new(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(*(record_marker(str(n)) for n in range(4083)))
    for name in ("below the limit", "just below the limit", "above the limit"):
        await world.signal(run)
        task = await world.raw.poll_workflow_task()
        history = await world.history(run)
        world.observe(f"{name}: events", len(history.events))
        world.observe(name, history.events[-1].workflow_task_started_event_attributes)
        await world.raw.complete_workflow_task(task)


@scenario(
    "option:PollWorkflowTaskQueueResponse.next_page_token",
    differs="each server has pages of its own size",
)
async def test_a_long_history_comes_with_its_task_in_pages(world: World) -> None:
    run = await world.start()
    for _ in range(3):
        await world.raw.run_workflow_task(*(record_marker(str(n)) for n in range(1000)))
        await world.signal(run)
    task = await world.raw.poll_workflow_task()
    events = list(task.history.events)
    token = task.next_page_token
    while token:
        page = await world.client.workflow_service.get_workflow_execution_history(
            GetWorkflowExecutionHistoryRequest(
                namespace=world.client.namespace, execution=run.execution, next_page_token=token
            )
        )
        events.extend(page.history.events)
        token = page.next_page_token
    world.observe("events", len(events))
    dense = [event.event_id for event in events] == list(range(1, len(events) + 1))
    world.observe("dense", dense)
    world.observe("last", events[-1].event_id == task.started_event_id)


@scenario("rpc:RespondWorkflowTaskCompleted", "rpc:RespondWorkflowTaskFailed")
async def test_answers_to_a_workflow_task_that_is_over(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.raw.complete_workflow_task(task)
    await world.observe_error("complete twice", world.raw.complete_workflow_task(task))
    await world.observe_error("fail after completion", world.raw.fail_workflow_task(task))
    await world.signal(run)
    await world.observe_error("complete before the next", world.raw.complete_workflow_task(task))
    failed = await world.raw.poll_workflow_task()
    await world.observe_error("complete during the next", world.raw.complete_workflow_task(task))
    await world.raw.fail_workflow_task(failed)
    await world.observe_error("complete after failure", world.raw.complete_workflow_task(failed))
    current = await world.raw.poll_workflow_task()
    await world.observe_error("the former attempt", world.raw.complete_workflow_task(failed))
    await world.terminate(run)
    await world.observe_error("complete after close", world.raw.complete_workflow_task(current))
    await world.observe_error("fail after close", world.raw.fail_workflow_task(current))
    await world.observe_history("history", run)


@scenario(
    "event:WorkflowTaskTimedOut", "option:StartWorkflowExecutionRequest.workflow_task_timeout"
)
async def test_a_workflow_task_is_not_answered_in_time(world: World) -> None:
    run = await world.start(workflow_task_timeout=seconds(1))
    first = await world.raw.poll_workflow_task()
    second = await world.raw.poll_workflow_task()
    world.observe_task("second attempt", second)
    world.observe("second attempt in flight", await world.describe(run))
    await world.observe_error("late answer", world.raw.complete_workflow_task(first))
    third = await world.raw.poll_workflow_task()
    world.observe_task("third attempt", third)
    await world.observe_history("third attempt in flight", run)
    await world.raw.complete_workflow_task(third, complete_workflow())
    await world.observe_history("history", run)


@scenario("event:WorkflowTaskTimedOut", "rpc:SignalWorkflowExecution")
async def test_a_workflow_task_times_out_while_a_signal_is_buffered(world: World) -> None:
    run = await world.start(workflow_task_timeout=seconds(1))
    await world.raw.poll_workflow_task()
    await world.signal(run)
    world.observe_task("next task", await world.raw.poll_workflow_task())


@scenario("option:RespondWorkflowTaskCompletedRequest.force_create_new_workflow_task")
async def test_a_worker_asks_for_another_task_to_keep_this_one_alive(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    for beat in (1, 2):
        answer = await world.raw.complete_workflow_task(
            task, force_create_new_workflow_task=True, return_new_workflow_task=True
        )
        world.observe_task(f"heartbeat {beat}", answer.workflow_task)
        task = answer.workflow_task
    await world.observe_history("in flight", run)
    world.observe("description", await world.describe(run))
    await world.raw.complete_workflow_task(
        task, record_marker("core_local_activity", data=1), complete_workflow()
    )
    await world.observe_history("history", run)


@scenario("option:RespondWorkflowTaskCompletedRequest.force_create_new_workflow_task")
async def test_a_forced_task_is_polled_if_the_answer_does_not_return_it(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(start_timer("t", 100), force_create_new_workflow_task=True)
    await world.observe_history("history", run)
    world.observe_task("task", await world.raw.poll_workflow_task())


@scenario("option:RespondWorkflowTaskCompletedRequest.return_new_workflow_task")
async def test_the_answer_returns_the_task_of_a_buffered_signal(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.signal(run)
    answer = await world.raw.complete_workflow_task(
        task, start_timer("t", 100), return_new_workflow_task=True
    )
    world.observe("answer", answer)
    world.observe_task("returned task", answer.workflow_task)
    await world.raw.complete_workflow_task(answer.workflow_task, complete_workflow())
    await world.observe_history("history", run)


@scenario("option:RespondWorkflowTaskCompletedRequest.return_new_workflow_task")
async def test_the_answer_returns_no_task_if_there_is_none(world: World) -> None:
    run = await world.start()
    answer = await world.raw.run_workflow_task(start_timer("t", 100), return_new_workflow_task=True)
    world.observe("answer", answer)
    await world.observe_history("history", run)


@scenario("option:StartWorkflowExecutionRequest.request_eager_execution")
async def test_the_start_returns_the_first_task(world: World) -> None:
    request = world.start_request(request_eager_execution=True)
    response = await world.start_with(request)
    world.observe("answer", response, without=["eager_workflow_task"])
    world.observe_task("eager task", response.eager_workflow_task)
    run = world.run_of(request, response)
    world.observe("in flight", await world.describe(run))
    await world.raw.complete_workflow_task(response.eager_workflow_task, complete_workflow("done"))
    await world.observe_history("history", run)


@scenario("option:StartWorkflowExecutionRequest.request_eager_execution")
async def test_an_eager_task_is_not_answered_in_time(world: World) -> None:
    request = world.start_request(request_eager_execution=True, workflow_task_timeout=seconds(1))
    await world.start_with(request)
    world.observe_task("next attempt", await world.raw.poll_workflow_task())


@scenario("option:StartWorkflowExecutionRequest.request_eager_execution")
async def test_starts_that_return_no_task_although_asked(world: World) -> None:
    delayed = world.start_request(
        "delayed", request_eager_execution=True, workflow_start_delay=seconds(100)
    )
    await world.observe_error("with a start delay", world.start_with(delayed))
    request = world.start_request("once", request_eager_execution=True, request_id="same")
    first = await world.start_with(request)
    world.observe("first", first, without=["eager_workflow_task"])
    again = await world.start_with(request)
    world.observe("the same request again", again, without=["eager_workflow_task"])
    world.observe_task("the same request's task", again.eager_workflow_task)
    await world.raw.complete_workflow_task(first.eager_workflow_task)
    again = await world.start_with(request)
    world.observe("the same request after its task", again)


@scenario("option:ScheduleActivityTaskCommandAttributes.request_eager_execution")
async def test_the_answer_returns_eager_activities(world: World) -> None:
    run = await world.start()
    answer = await world.raw.run_workflow_task(
        schedule_activity(
            "eager", task_queue=world.task_queue, start_to_close=100, arguments=("book",),
            request_eager_execution=True,
        ),
        schedule_activity("queued", task_queue=world.task_queue, start_to_close=100),
        schedule_activity(
            "other-queue", task_queue=world.unique("other"), start_to_close=100,
            request_eager_execution=True,
        ),
    )  # fmt: skip
    world.observe("answer", answer)
    world.observe("description", await world.describe(run))
    for task in answer.activity_tasks:
        await world.raw.complete_activity_task(task, "done")
    await world.observe_history("history", run)


@scenario("event:WorkflowTaskFailed", "command:CompleteWorkflowExecution")
async def test_a_run_cannot_complete_while_a_signal_is_buffered(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.signal(run)
    await world.observe_error(
        "answer",
        world.raw.complete_workflow_task(
            task, start_timer("dropped", 100), complete_workflow("done")
        ),
    )
    await world.observe_history("refused", run)
    world.observe("description", await world.describe(run))
    task = await world.raw.poll_workflow_task()
    world.observe_task("next task", task)
    await world.raw.complete_workflow_task(task, complete_workflow("done"))
    await world.observe_history("history", run)


@scenario("rpc:PollWorkflowTaskQueue")
async def test_commands_after_the_end_of_a_run(world: World) -> None:
    run = await world.start()
    await world.observe_error(
        "answer",
        world.raw.run_workflow_task(complete_workflow("done"), start_timer("late", 100)),
    )
    await world.observe_history("history", run)
