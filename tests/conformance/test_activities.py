"""Activities that run, succeed, fail and are tried again."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.common.v1 import Priority, RetryPolicy
from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatByIdRequest,
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskFailedByIdRequest,
)

from tests.conformance.commands import (
    complete_workflow,
    request_cancel_activity,
    schedule_activity,
    seconds,
)
from tests.conformance.payloads import application_failure, canceled_failure, header, payloads
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World

ONCE = RetryPolicy(maximum_attempts=1)


@scenario(
    "rpc:PollActivityTaskQueue",
    "rpc:RespondActivityTaskCompleted",
    "command:ScheduleActivityTask",
    "event:ActivityTaskScheduled",
    "event:ActivityTaskStarted",
    "event:ActivityTaskCompleted",
    *options("PollActivityTaskQueueRequest", "namespace", "task_queue", "identity"),
    *options(
        "RespondActivityTaskCompletedRequest", "task_token", "result", "identity", "namespace"
    ),
    *options(
        "ScheduleActivityTaskCommandAttributes",
        "activity_id",
        "activity_type",
        "task_queue",
        "header",
        "input",
        "priority",
    ),
)
async def test_an_activity_completes(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            arguments=("book", 2),
            start_to_close=100,
            header=header(trace="t-1"),
            priority=Priority(priority_key=3),
        )
    )
    world.observe("scheduled", await world.describe(run))
    task = await world.raw.poll_activity_task()
    world.observe_task("task", task)
    world.observe("started", await world.describe(run))
    await world.observe_history("history while it runs", run)
    world.observe("answer", await world.raw.complete_activity_task(task, "charged"))
    world.observe_task("workflow task", await world.raw.poll_workflow_task())
    world.observe("completed", await world.describe(run))


@scenario("event:ActivityTaskCompleted")
async def test_an_activity_completes_without_a_result(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, start_to_close=100)
    )
    await world.raw.complete_activity_task(await world.raw.poll_activity_task())
    await world.observe_history("history", run)


@scenario(
    "command:ScheduleActivityTask",
    "option:ScheduleActivityTaskCommandAttributes.schedule_to_close_timeout",
    "option:ScheduleActivityTaskCommandAttributes.schedule_to_start_timeout",
    "option:ScheduleActivityTaskCommandAttributes.start_to_close_timeout",
    "option:ScheduleActivityTaskCommandAttributes.heartbeat_timeout",
    "option:ScheduleActivityTaskCommandAttributes.retry_policy",
)
async def test_activity_options_are_completed_by_the_server(world: World) -> None:
    run = await world.start(workflow_run_timeout=seconds(300))
    queue = world.task_queue
    await world.raw.run_workflow_task(
        schedule_activity("only-start-to-close", task_queue=queue, start_to_close=10),
        schedule_activity("only-schedule-to-close", task_queue=queue, schedule_to_close=20),
        schedule_activity(
            "all", task_queue=queue, schedule_to_close=40, schedule_to_start=30,
            start_to_close=20, heartbeat=10,
        ),
        schedule_activity(
            "too-long", task_queue=queue, schedule_to_close=50, schedule_to_start=60,
            start_to_close=70, heartbeat=80,
        ),
        schedule_activity(
            "longer-than-the-run", task_queue=queue, schedule_to_close=5000,
            schedule_to_start=6000, start_to_close=7000, heartbeat=8000,
        ),
        schedule_activity(
            "policy", task_queue=queue, start_to_close=10,
            retry_policy=RetryPolicy(
                initial_interval=seconds(3), backoff_coefficient=1.5,
                maximum_interval=seconds(7), maximum_attempts=4,
                non_retryable_error_types=["Refused"],
            ),
        ),
        schedule_activity(
            "half-a-policy", task_queue=queue, start_to_close=10,
            retry_policy=RetryPolicy(initial_interval=seconds(2)),
        ),
        schedule_activity("other-queue", task_queue=world.unique("other"), start_to_close=10),
    )  # fmt: skip
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario(
    "event:ActivityTaskFailed",
    "rpc:RespondActivityTaskFailed",
    *options(
        "RespondActivityTaskFailedRequest",
        "task_token",
        "failure",
        "identity",
        "namespace",
        "last_heartbeat_details",
    ),
)
async def test_an_activity_is_retried_until_its_last_attempt(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            start_to_close=100,
            retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_attempts=2),
        )
    )
    task = await world.raw.poll_activity_task()
    world.observe("answer", await world.raw.fail_activity_task(task, "first", ["at", 1]))
    world.observe("waits for its retry", await world.describe(run))
    await world.observe_history("history while it waits", run)
    task = await world.raw.poll_activity_task()
    world.observe_task("second attempt", task)
    world.observe("second attempt runs", await world.describe(run))
    await world.raw.fail_activity_task(task, "second")
    world.observe_task("workflow task", await world.raw.poll_workflow_task())


@scenario(
    "event:ActivityTaskCompleted",
    "event:ActivityTaskStarted",
    *options("ApplicationFailureInfo", "details"),
)
async def test_an_activity_succeeds_at_its_second_attempt(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            start_to_close=100,
            retry_policy=RetryPolicy(initial_interval=seconds(0.2)),
        )
    )
    failure = application_failure("first", error_type="Flaky", details=payloads("because"))
    await world.raw.fail_activity_task(await world.raw.poll_activity_task(), failure)
    await world.raw.complete_activity_task(await world.raw.poll_activity_task(), "charged")
    await world.observe_history("history", run)


@scenario(
    "option:ScheduleActivityTaskCommandAttributes.retry_policy",
    "event:ActivityTaskFailed",
    *options("ApplicationFailureInfo", "type", "non_retryable"),
)
async def test_failures_that_are_not_retried(world: World) -> None:
    run = await world.start()
    policy = RetryPolicy(non_retryable_error_types=["Refused"])
    await world.raw.run_workflow_task(
        *(
            schedule_activity(
                activity_id, task_queue=world.task_queue, start_to_close=100, retry_policy=policy
            )
            for activity_id in ("flag", "type", "cancelled")
        )
    )
    failures = {
        "flag": application_failure("no", non_retryable=True),
        "type": application_failure("no", error_type="Refused"),
        "cancelled": canceled_failure("gave up"),
    }
    tasks = [await world.raw.poll_activity_task() for _ in failures]
    for task in sorted(tasks, key=lambda task: list(failures).index(task.activity_id)):
        await world.observe_error(
            task.activity_id, world.raw.fail_activity_task(task, failures[task.activity_id])
        )
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@pytest.mark.parametrize("length", [4079, 4080, 20_000])
@scenario("rpc:RespondActivityTaskFailed", "option:PendingActivityInfo.last_failure")
async def test_little_is_remembered_of_a_large_failure(world: World, length: int) -> None:
    run = await world.start()
    policy = RetryPolicy(initial_interval=seconds(0.01), maximum_attempts=2)
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, start_to_close=100, retry_policy=policy)
    )
    large = application_failure("x" * length, error_type="Large")
    await world.raw.fail_activity_task(await world.raw.poll_activity_task(), large)
    task = await world.raw.poll_activity_task()
    world.observe("second attempt runs", await world.describe(run))
    await world.raw.fail_activity_task(task, large)
    await world.observe_history("history", run)


@scenario("option:ApplicationFailureInfo.next_retry_delay")
async def test_a_failure_names_the_delay_of_its_retry(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "sooner",
            task_queue=world.task_queue,
            start_to_close=100,
            retry_policy=RetryPolicy(initial_interval=seconds(60)),
        ),
    )
    await world.raw.fail_activity_task(
        await world.raw.poll_activity_task(), application_failure("first", next_retry_delay=1)
    )
    world.observe("waits for its retry", await world.describe(run))
    world.observe_task("second attempt", await world.raw.poll_activity_task())


@scenario("option:ScheduleActivityTaskCommandAttributes.schedule_to_close_timeout")
async def test_no_retry_that_would_start_after_schedule_to_close(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            schedule_to_close=10,
            retry_policy=RetryPolicy(initial_interval=seconds(60)),
        ),
    )
    await world.raw.fail_activity_task(await world.raw.poll_activity_task(), "too late for another")
    await world.observe_history("history", run)


@scenario(
    "rpc:RecordActivityTaskHeartbeat",
    *options(
        "RecordActivityTaskHeartbeatRequest", "task_token", "details", "identity", "namespace"
    ),
    *options("RespondActivityTaskFailedRequest", "last_heartbeat_details"),
)
async def test_heartbeat_details_reach_the_next_attempt(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            start_to_close=100,
            heartbeat=50,
            retry_policy=RetryPolicy(initial_interval=seconds(0.2)),
        )
    )
    task = await world.raw.poll_activity_task()
    world.observe("answer", await world.raw.heartbeat(task, "page", 1))
    world.observe("after a heartbeat", await world.describe(run))
    await world.raw.heartbeat(task, "page", 2)
    await world.raw.fail_activity_task(task)
    task = await world.raw.poll_activity_task()
    world.observe_task("second attempt", task)
    await world.raw.fail_activity_task(task)
    task = await world.raw.poll_activity_task()
    world.observe_task("third attempt, without heartbeats of the second", task)
    await world.raw.heartbeat(task)
    world.observe("after a heartbeat without details", await world.describe(run))
    await world.raw.fail_activity_task(task, last_heartbeat=["page", 3])
    world.observe_task("fourth attempt", await world.raw.poll_activity_task())


@scenario(
    "rpc:RespondActivityTaskCompletedById",
    "rpc:RespondActivityTaskFailedById",
    "rpc:RespondActivityTaskCanceledById",
    "rpc:RecordActivityTaskHeartbeatById",
    *options(
        "RecordActivityTaskHeartbeatByIdRequest",
        "namespace",
        "workflow_id",
        "run_id",
        "activity_id",
        "details",
        "identity",
    ),
    *options(
        "RespondActivityTaskCompletedByIdRequest",
        "namespace",
        "workflow_id",
        "run_id",
        "activity_id",
        "result",
        "identity",
    ),
    *options(
        "RespondActivityTaskFailedByIdRequest",
        "namespace",
        "workflow_id",
        "activity_id",
        "failure",
        "identity",
    ),
    *options(
        "RespondActivityTaskCanceledByIdRequest",
        "namespace",
        "workflow_id",
        "activity_id",
        "details",
        "identity",
    ),
)
async def test_activities_are_answered_by_id(world: World) -> None:
    run = await world.start()
    service = world.client.workflow_service
    await world.raw.run_workflow_task(
        *(
            schedule_activity(
                activity_id, task_queue=world.task_queue, start_to_close=100, retry_policy=ONCE
            )
            for activity_id in ("completed", "failed", "cancelled")
        )
    )
    for _ in range(3):
        await world.raw.poll_activity_task()
    whose: dict[str, Any] = {
        "namespace": world.client.namespace,
        "workflow_id": run.workflow_id,
        "identity": "by-id",
    }
    world.observe(
        "heartbeat",
        await service.record_activity_task_heartbeat_by_id(
            RecordActivityTaskHeartbeatByIdRequest(
                **whose, run_id=run.run_id, activity_id="completed", details=payloads("half")
            )
        ),
    )
    world.observe("after the heartbeat", await world.describe(run), without=["pending_activities"])
    world.observe(
        "completed",
        await service.respond_activity_task_completed_by_id(
            RespondActivityTaskCompletedByIdRequest(
                **whose, run_id=run.run_id, activity_id="completed", result=payloads("done")
            )
        ),
    )
    world.observe(
        "failed, without a run id",
        await service.respond_activity_task_failed_by_id(
            RespondActivityTaskFailedByIdRequest(
                **whose, activity_id="failed", failure=application_failure("no")
            )
        ),
    )
    await world.observe_error(
        "cancelled without a request",
        service.respond_activity_task_canceled_by_id(
            RespondActivityTaskCanceledByIdRequest(
                **whose, activity_id="cancelled", details=payloads("why")
            )
        ),
    )
    await world.observe_history("history before the cancellation", run)
    task = await world.raw.poll_workflow_task()
    scheduled = [
        event.event_id
        for event in task.history.events
        if event.activity_task_scheduled_event_attributes.activity_id == "cancelled"
    ]
    await world.raw.complete_workflow_task(task, request_cancel_activity(scheduled[0]))
    world.observe(
        "cancelled",
        await service.respond_activity_task_canceled_by_id(
            RespondActivityTaskCanceledByIdRequest(
                **whose, activity_id="cancelled", details=payloads("why")
            )
        ),
    )
    await world.observe_error(
        "unknown activity",
        service.respond_activity_task_completed_by_id(
            RespondActivityTaskCompletedByIdRequest(**whose, activity_id="unknown")
        ),
    )
    await world.observe_error(
        "closed activity",
        service.respond_activity_task_completed_by_id(
            RespondActivityTaskCompletedByIdRequest(**whose, activity_id="completed")
        ),
    )
    await world.observe_error(
        "unknown workflow",
        service.respond_activity_task_completed_by_id(
            RespondActivityTaskCompletedByIdRequest(
                **{**whose, "workflow_id": "unknown"}, activity_id="completed"
            )
        ),
    )
    await world.observe_history("history", run)


@scenario(
    "rpc:RespondActivityTaskCompletedById",
    "rpc:RespondActivityTaskFailedById",
    "rpc:RespondActivityTaskCanceledById",
    "rpc:RecordActivityTaskHeartbeatById",
)
async def test_an_activity_that_never_started_is_answered_by_id(world: World) -> None:
    service = world.client.workflow_service
    whose: dict[str, Any] = {
        "namespace": world.client.namespace,
        "activity_id": "a",
        "identity": "by-id",
    }

    async def scheduled(name: str) -> dict[str, Any]:
        run, worker = await world.start_apart(name)
        await worker.run_workflow_task(
            schedule_activity("a", task_queue=worker.task_queue, start_to_close=100)
        )
        return {**whose, "workflow_id": run.workflow_id}

    names = await scheduled("heartbeat")
    request = RecordActivityTaskHeartbeatByIdRequest(**names)
    await world.observe_error("heartbeat", service.record_activity_task_heartbeat_by_id(request))
    names = await scheduled("completed")
    completed = RespondActivityTaskCompletedByIdRequest(**names)
    await world.observe_error("completed", service.respond_activity_task_completed_by_id(completed))
    names = await scheduled("failed")
    failed = RespondActivityTaskFailedByIdRequest(**names, failure=application_failure("no"))
    await world.observe_error("failed", service.respond_activity_task_failed_by_id(failed))
    names = await scheduled("cancelled")
    cancelled = RespondActivityTaskCanceledByIdRequest(**names)
    await world.observe_error("cancelled", service.respond_activity_task_canceled_by_id(cancelled))
    for name in ("heartbeat", "completed", "failed", "cancelled"):
        await world.observe_history(f"{name}: history", Run(world.unique(name)))


@scenario(
    "rpc:RespondActivityTaskCompleted",
    "rpc:RespondActivityTaskFailed",
    "rpc:RespondActivityTaskCanceled",
    "rpc:RecordActivityTaskHeartbeat",
)
async def test_answers_to_an_activity_that_is_over(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            start_to_close=100,
            retry_policy=RetryPolicy(initial_interval=seconds(0.2)),
        )
    )

    async def observe_answers(when: str) -> None:
        await world.observe_error(f"{when}: complete", world.raw.complete_activity_task(stale))
        await world.observe_error(f"{when}: fail", world.raw.fail_activity_task(stale))
        await world.observe_error(f"{when}: cancel", world.raw.cancel_activity_task(stale))
        await world.observe_error(f"{when}: heartbeat", world.raw.heartbeat(stale))

    stale = await world.raw.poll_activity_task()
    await world.raw.fail_activity_task(stale)
    current = await world.raw.poll_activity_task()
    await observe_answers("after a later attempt started")
    await world.raw.complete_activity_task(current, "done")
    await observe_answers("after the activity closed")
    await world.raw.run_workflow_task(complete_workflow())
    await observe_answers("after the run closed")
    await world.observe_history("history", run)


@scenario("rpc:TerminateWorkflowExecution", "rpc:RecordActivityTaskHeartbeat")
async def test_the_run_closes_while_an_activity_runs(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, start_to_close=100)
    )
    task = await world.raw.poll_activity_task()
    await world.terminate(run)
    world.observe("description", await world.describe(run))
    await world.observe_error("heartbeat", world.raw.heartbeat(task))
    await world.observe_error("complete", world.raw.complete_activity_task(task))
    await world.observe_history("history", run)


@scenario("command:ScheduleActivityTask")
async def test_an_activity_id_can_be_used_again_once_its_activity_closed(world: World) -> None:
    run = await world.start()
    command = schedule_activity("a", task_queue=world.task_queue, start_to_close=100)
    await world.raw.run_workflow_task(command)
    await world.raw.complete_activity_task(await world.raw.poll_activity_task(), 1)
    await world.raw.run_workflow_task(command)
    await world.raw.complete_activity_task(await world.raw.poll_activity_task(), 2)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(Run(run.workflow_id)))
