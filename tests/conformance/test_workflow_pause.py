"""Runs that are paused, at each moment of their life, and unpaused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import RetryPolicy, WorkflowType
from temporalio.api.enums.v1 import (
    EventType,
    HistoryEventFilterType,
    QueryRejectCondition,
    WorkflowIdConflictPolicy,
)
from temporalio.api.filter.v1 import StartTimeFilter, WorkflowExecutionFilter
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import OnConflictOptions
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    ListClosedWorkflowExecutionsRequest,
    ListOpenWorkflowExecutionsRequest,
    RespondActivityTaskCompletedByIdRequest,
    SignalWithStartWorkflowExecutionRequest,
)

from tests.conformance.commands import (
    complete_workflow,
    continue_as_new,
    request_cancel_activity,
    schedule_activity,
    seconds,
    start_child,
    start_timer,
)
from tests.conformance.listings import count_runs, observe_found, of_scenario, until_listed
from tests.conformance.operations import (
    LATE,
    pause,
    pause_run,
    reset,
    start_activities,
    unpause,
    unpause_run,
    update_options,
)
from tests.conformance.raw_worker import RawWorker
from tests.conformance.refusals import LONG, UNKNOWN_RUN_ID, observe_refusal
from tests.conformance.scenario import options, scenario
from tests.conformance.updates import update
from tests.conformance.world import Run, World


async def idle(world: World, **fields: Any) -> Run:
    """A run whose first workflow task has been answered with nothing."""
    run = await world.start(**fields)
    await world.raw.run_workflow_task()
    return run


@scenario(
    "rpc:PauseWorkflowExecution",
    "rpc:UnpauseWorkflowExecution",
    "event:WorkflowExecutionPaused",
    "event:WorkflowExecutionUnpaused",
    *options(
        "PauseWorkflowExecutionRequest",
        "namespace",
        "workflow_id",
        "run_id",
        "identity",
        "reason",
        "request_id",
    ),
    *options(
        "UnpauseWorkflowExecutionRequest",
        "namespace",
        "workflow_id",
        "run_id",
        "identity",
        "reason",
        "request_id",
    ),
)
async def test_a_paused_run_gets_no_workflow_task(world: World) -> None:
    run = await world.start()
    world.observe("pause", await pause_run(world, run))
    world.observe("paused", await world.describe(run))
    await world.observe_history("paused: history", run)
    await world.signal(run)
    await world.request_cancel(run)
    await world.start("other")
    world.observe_task("task of another run", await world.raw.poll_workflow_task())
    world.observe("unpause", await unpause_run(world, run, reason="over"))
    world.observe("unpaused", await world.describe(run))
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    await world.raw.complete_workflow_task(task)
    await world.observe_history("history", run)


@scenario("rpc:PauseWorkflowExecution", "rpc:UnpauseWorkflowExecution")
async def test_a_run_that_nothing_happens_to_is_woken_by_the_end_of_its_pause(world: World) -> None:
    run = await idle(world)
    await pause_run(world, run, reason="", identity="", request_id="")
    await world.observe_error("again", pause_run(world, run, request_id=""))
    world.observe("paused", await world.describe(run))
    await unpause_run(world, run, reason="", identity="", request_id="")
    world.observe("unpaused", await world.describe(run))
    await world.observe_history("history", run)


@scenario("rpc:PauseWorkflowExecution", "rpc:UnpauseWorkflowExecution")
async def test_pause_and_unpause_a_run_twice(world: World) -> None:
    run = await idle(world)
    await observe_refusal(world, unpause_run(world, run), run)
    await pause_run(world, run, request_id="r1")
    await world.observe_error("repeated", pause_run(world, run, request_id="r1"))
    await world.observe_error("again", pause_run(world, run, request_id="r2"))
    await unpause_run(world, run, request_id="r3")
    await world.observe_error("unpause repeated", unpause_run(world, run, request_id="r3"))
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("rpc:PauseWorkflowExecution", "event:WorkflowTaskCompleted")
async def test_a_worker_completes_its_workflow_task_during_the_pause(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await pause_run(world, run)
    world.observe("paused", await world.describe(run))
    await world.observe_history("in flight", run)
    await world.signal(run)
    await world.raw.complete_workflow_task(
        task,
        start_timer("t", 0.1),
        schedule_activity("late", task_queue=world.task_queue, start_to_close=100),
        schedule_activity(
            "eager", task_queue=world.task_queue, start_to_close=100, request_eager_execution=True
        ),
    )
    world.observe("answered", await world.describe(run))
    await world.until_event(run, EventType.EVENT_TYPE_TIMER_FIRED)
    await start_activities(world, "another", workflow="other")
    world.observe_task("activity of another run", await world.raw.poll_activity_task())
    await unpause_run(world, run)
    world.observe("unpaused", await world.describe(run))
    for _ in range(2):
        world.observe("activity", (await world.raw.poll_activity_task()).activity_type)
    await world.raw.run_workflow_task(complete_workflow())
    await world.observe_history("history", run)


@scenario("rpc:PauseWorkflowExecution", "event:WorkflowTaskFailed")
@pytest.mark.parametrize("ending", [complete_workflow(), continue_as_new()], ids=["end", "next"])
async def test_a_worker_cannot_end_a_paused_run(world: World, ending: Any) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await pause_run(world, run)
    await world.observe_error("answer", world.raw.complete_workflow_task(task, ending))
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("rpc:PauseWorkflowExecution", "event:WorkflowTaskFailed")
async def test_a_workflow_task_fails_during_the_pause(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await pause_run(world, run)
    await world.raw.fail_workflow_task(task)
    world.observe("paused", await world.describe(run))
    await unpause_run(world, run)
    world.observe_task("task", await world.raw.poll_workflow_task())


@scenario("rpc:PauseWorkflowExecution", "event:WorkflowTaskFailed")
async def test_a_workflow_task_that_is_tried_again_is_taken_back_by_a_pause(world: World) -> None:
    run = await world.start()
    await world.raw.fail_workflow_task(await world.raw.poll_workflow_task())
    await pause_run(world, run)
    await world.observe_history("paused", run)
    await unpause_run(world, run)
    await world.raw.fail_workflow_task(await world.raw.poll_workflow_task())
    task = await world.raw.poll_workflow_task()
    await pause_run(world, run)
    await world.observe_history("in flight", run)
    await world.raw.fail_workflow_task(task)
    await unpause_run(world, run)
    await world.raw.run_workflow_task(complete_workflow())
    await world.observe_history("history", run)


@scenario("rpc:PauseWorkflowExecution", "event:WorkflowTaskTimedOut")
async def test_a_workflow_task_times_out_during_the_pause(world: World) -> None:
    run = await world.start(workflow_task_timeout=seconds(1))
    await world.raw.poll_workflow_task()
    await pause_run(world, run)
    await world.until_event(run, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT)
    world.observe("paused", await world.describe(run))
    await unpause_run(world, run)
    await world.observe_history("history", run)


@scenario(
    "rpc:PauseWorkflowExecution",
    "option:RespondWorkflowTaskCompletedRequest.force_create_new_workflow_task",
)
async def test_a_worker_cannot_ask_for_another_workflow_task_during_a_pause(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await pause_run(world, run)
    asked = world.raw.complete_workflow_task(task, force_create_new_workflow_task=True)
    await world.observe_error("forced", asked)
    answer = await world.raw.complete_workflow_task(task, return_new_workflow_task=True)
    world.observe("answer", answer)
    await world.observe_history("history", run)


@scenario("rpc:PauseWorkflowExecution", "rpc:UnpauseWorkflowExecution")
async def test_pause_and_unpause_a_run_while_a_worker_has_its_workflow_task(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await pause_run(world, run)
    await unpause_run(world, run)
    world.observe("unpaused", await world.describe(run))
    await pause_run(world, run)
    await world.raw.complete_workflow_task(task)
    world.observe("paused", await world.describe(run))
    await world.observe_history("history", run)


@scenario("rpc:PauseWorkflowExecution")
async def test_a_pause_takes_a_run_from_the_worker_that_has_it_cached(world: World) -> None:
    sticky = world.unique("sticky")
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    poll = await world.raw.start_polling(sticky)
    await world.raw.complete_workflow_task(task, sticky_queue=sticky)
    await pause_run(world, run)
    await world.signal(run)
    await unpause_run(world, run)
    task = await poll
    world.observe_task("still cached", task)
    await world.raw.complete_workflow_task(task, sticky_queue=sticky)
    await world.signal(run)
    await pause_run(world, run)
    await unpause_run(world, run)
    world.observe_task("not cached any more", await world.raw.poll_workflow_task())


@scenario("rpc:PauseWorkflowExecution", "event:ActivityTaskCompleted")
async def test_running_activities_go_on_during_a_pause(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, start_to_close=100),
        schedule_activity("b", task_queue=world.unique("nobodys"), start_to_close=100),
    )
    task = await world.raw.poll_activity_task()
    await pause_run(world, run)
    world.observe("paused", await world.describe(run))
    world.observe("heartbeat", await world.raw.heartbeat(task, 1))
    await world.raw.complete_activity_task(task, "charged")
    await world.client.workflow_service.respond_activity_task_completed_by_id(
        RespondActivityTaskCompletedByIdRequest(
            namespace=world.client.namespace,
            workflow_id=run.workflow_id,
            activity_id="b",
        )
    )
    world.observe("nothing pending", await world.describe(run))
    await unpause_run(world, run)
    world.observe_task("task", await world.raw.poll_workflow_task())


@scenario("rpc:PauseWorkflowExecution", "rpc:UnpauseWorkflowExecution")
async def test_activities_that_wait_do_not_begin_during_a_pause(world: World) -> None:
    failed = await start_activities(
        world, workflow="failed", retry_policy=RetryPolicy(initial_interval=seconds(0.5))
    )
    await world.raw.fail_activity_task(await world.raw.poll_activity_task())
    waiting = await start_activities(world, workflow="waiting")
    await pause_run(world, failed)
    await pause_run(world, waiting)
    await world.pass_time(1.5)
    await start_activities(world, workflow="other")
    world.observe_task("activity of another run", await world.raw.poll_activity_task())
    world.observe("failed", await world.describe(failed))
    world.observe("waiting", await world.describe(waiting))
    await unpause_run(world, failed)
    world.observe("failed and unpaused", await world.describe(failed))
    world.observe_task("activity", await world.raw.poll_activity_task())
    await unpause_run(world, waiting)
    world.observe_task("waiting activity", await world.raw.poll_activity_task())


@scenario("rpc:PauseWorkflowExecution")
async def test_an_attempt_that_fails_during_a_pause_is_tried_again_all_the_same(
    world: World,
) -> None:
    run = await start_activities(world)
    task = await world.raw.poll_activity_task()
    await pause_run(world, run)
    await world.raw.fail_activity_task(task)
    world.observe_task("activity", await world.raw.poll_activity_task())
    world.observe("description", await world.describe(run))


@scenario("rpc:PauseWorkflowExecution", "rpc:UnpauseWorkflowExecution")
async def test_a_retry_that_is_waited_for_keeps_its_time(world: World) -> None:
    run = await start_activities(world, retry_policy=LATE)
    await world.raw.fail_activity_task(await world.raw.poll_activity_task())
    await pause_run(world, run)
    world.observe("paused", await world.describe(run))
    await unpause_run(world, run)
    world.observe("unpaused", await world.describe(run))


@scenario("rpc:PauseWorkflowExecution", "event:ActivityTaskTimedOut")
async def test_activities_time_out_during_a_pause(world: World) -> None:
    running = await start_activities(world, workflow="running", start_to_close=1, retry_policy=LATE)
    await world.raw.poll_activity_task()
    waiting = await start_activities(world, workflow="waiting", schedule_to_start=1)
    await pause_run(world, running)
    await pause_run(world, waiting)
    await world.until_activity(running, lambda activity: activity.attempt == 2)
    world.observe("running", await world.describe(running))
    await world.until_event(waiting, EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT)
    await world.observe_history("waiting", waiting)


@scenario("rpc:PauseWorkflowExecution", "command:RequestCancelActivityTask")
async def test_a_workflow_task_of_a_paused_run_cancels_an_activity(world: World) -> None:
    run = await start_activities(world)
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    await pause_run(world, run)
    await world.raw.complete_workflow_task(task, request_cancel_activity(5))
    await world.observe_history("history", run)


@scenario("rpc:PauseWorkflowExecution", "rpc:PauseActivity", "rpc:UnpauseActivity")
async def test_pause_a_run_and_its_activity(world: World) -> None:
    run = await start_activities(world)
    await pause(world, run)
    await pause_run(world, run)
    world.observe("both paused", await world.describe(run))
    await unpause_run(world, run)
    world.observe("activity paused", await world.describe(run))
    await pause_run(world, run)
    await unpause(world, run)
    world.observe("run paused", await world.describe(run))


@scenario("rpc:PauseWorkflowExecution", "rpc:ResetActivity", "rpc:UpdateActivityOptions")
@pytest.mark.parametrize("operation", ["unpause", "reset", "options"])
async def test_an_activity_that_is_operated_on_begins_in_spite_of_its_runs_pause(
    world: World, operation: str
) -> None:
    run = await start_activities(world)
    await pause(world, run)
    await pause_run(world, run)
    if operation == "reset":
        await reset(world, run)
    else:
        await unpause(world, run)
    if operation == "options":
        later = ActivityOptions(heartbeat_timeout=seconds(4))
        await update_options(world, run, "heartbeat_timeout", options=later)
    world.observe_task("activity", await world.raw.poll_activity_task())


@scenario("rpc:PauseWorkflowExecution", "event:ChildWorkflowExecutionCompleted")
async def test_a_child_goes_on_during_its_parents_pause(world: World) -> None:
    child_id = world.unique("child")
    worker = RawWorker(world.client, world.unique("children"))
    run = await world.start()
    await world.raw.run_workflow_task(
        start_child(child_id, task_queue=TaskQueue(name=worker.task_queue))
    )
    await world.until_event(run, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED)
    await pause_run(world, run)
    await worker.run_workflow_task(complete_workflow("shipped"))
    await world.until_event(run, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)
    await unpause_run(world, run)
    await world.observe_history("history", run)


@scenario("rpc:PauseWorkflowExecution", "rpc:QueryWorkflow")
async def test_queries_of_a_paused_run_are_rejected(world: World) -> None:
    run = await idle(world)
    await pause_run(world, run)
    world.observe("query", await world.query(run))
    for condition in (
        QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_OPEN,
        QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY,
    ):
        world.observe("condition", await world.query(run, query_reject_condition=condition))


@scenario("rpc:PauseWorkflowExecution", "rpc:QueryWorkflow")
async def test_a_query_that_was_asked_before_the_pause_is_answered(world: World) -> None:
    run = await idle(world)
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    query = asyncio.create_task(world.query(run))
    await asyncio.sleep(0.5)  # no API tells of its arrival
    await pause_run(world, run)
    await world.raw.complete_workflow_task(task)
    await world.raw.answer_query(await world.raw.poll_workflow_task(), "open")
    world.observe("answer", await query)


@scenario("rpc:PauseWorkflowExecution", "rpc:UpdateWorkflowExecution")
async def test_updates_of_a_paused_run_are_refused(world: World) -> None:
    run = await idle(world)
    await pause_run(world, run)
    await observe_refusal(world, update(world, run), run)


@scenario("rpc:PauseWorkflowExecution", "rpc:UpdateWorkflowExecution")
async def test_the_workflow_task_of_an_update_is_taken_back_by_a_pause(world: World) -> None:
    run = await idle(world)
    asked = asyncio.create_task(update(world, run))
    while not (await world.describe(run)).HasField("pending_workflow_task"):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    await pause_run(world, run)
    await unpause_run(world, run)
    await world.observe_history("history", run)
    asked.cancel()


@scenario(
    "rpc:PauseWorkflowExecution",
    "rpc:StartWorkflowExecution",
    "rpc:SignalWithStartWorkflowExecution",
)
async def test_a_paused_run_is_a_running_one_for_those_who_would_start_it(world: World) -> None:
    request = world.start_request()
    run = world.run_of(request, await world.start_with(request))
    await world.raw.run_workflow_task()
    await pause_run(world, run)
    world.observe("same request", await world.start_with(request))
    await world.observe_error("another", world.start_with(world.start_request()))
    use_existing = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
    request = world.start_request(workflow_id_conflict_policy=use_existing)
    world.observe("use existing", await world.start_with(request))
    request = world.start_request(
        workflow_id_conflict_policy=use_existing,
        on_conflict_options=OnConflictOptions(attach_request_id=True),
    )
    world.observe("attach", await world.start_with(request))
    world.observe(
        "signal with start",
        await world.client.workflow_service.signal_with_start_workflow_execution(
            SignalWithStartWorkflowExecutionRequest(
                namespace=world.client.namespace,
                workflow_id=run.workflow_id,
                workflow_type=WorkflowType(name="Order"),
                task_queue=TaskQueue(name=world.task_queue),
                signal_name="poke",
                request_id="signalled",
            )
        ),
    )
    replace = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
    await world.start_with(world.start_request(workflow_id_conflict_policy=replace))
    await world.observe_history("history", run)


@scenario("rpc:PauseWorkflowExecution", "rpc:TerminateWorkflowExecution")
async def test_terminate_and_delete_paused_runs(world: World) -> None:
    run = await idle(world)
    await pause_run(world, run)
    await world.terminate(run)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))
    await observe_refusal(world, pause_run(world, run), run)
    await observe_refusal(world, unpause_run(world, run), run)


@scenario("rpc:PauseWorkflowExecution", "rpc:DeleteWorkflowExecution")
async def test_delete_a_paused_run(world: World) -> None:
    run = await idle(world)
    await pause_run(world, run)
    await until_listed(world, 1)
    await world.client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=world.client.namespace, workflow_execution=run.execution
        )
    )
    await until_listed(world, 0)
    await world.observe_error("describe", world.describe(run))


@scenario("rpc:PauseWorkflowExecution", "event:WorkflowExecutionTimedOut")
async def test_a_paused_run_times_out(world: World) -> None:
    run = await idle(world, workflow_run_timeout=seconds(1))
    await pause_run(world, run)
    await world.until_event(run, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("rpc:PauseWorkflowExecution", "rpc:GetWorkflowExecutionHistory")
async def test_readers_of_a_history_are_told_of_the_pause_as_of_its_end(world: World) -> None:
    run = await idle(world)
    close_event = HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT

    async def read(label: str, **fields: Any) -> bytes:
        request = GetWorkflowExecutionHistoryRequest(
            namespace=world.client.namespace, execution=run.execution, **fields
        )
        page = await world.client.workflow_service.get_workflow_execution_history(request)
        world.observations.add_history(label, page.history)
        world.observe(f"{label}: goes on", bool(page.next_page_token))
        return page.next_page_token

    waiting = asyncio.create_task(
        read("end", wait_new_event=True, history_event_filter_type=close_event)
    )
    token = await read("events so far", wait_new_event=True)
    await asyncio.sleep(0.2)  # until the wait has arrived, which no API tells
    await pause_run(world, run)
    await waiting
    await read("next events", wait_new_event=True, next_page_token=token)
    await read("all", wait_new_event=True)
    await read("end without waiting", history_event_filter_type=close_event)
    await read("end at once", wait_new_event=True, history_event_filter_type=close_event)


@scenario("rpc:PauseWorkflowExecution", "rpc:ListWorkflowExecutions")
async def test_find_paused_runs(world: World) -> None:
    run = await idle(world)
    await idle(world, workflow="other")
    await pause_run(world, run)
    await until_listed(world, 1, "ExecutionStatus = 'Paused'")
    for query in (
        "ExecutionStatus = 'Paused'",
        "ExecutionStatus = 'Running'",
        "ExecutionStatus = 8",
        "TemporalPauseInfo = 'Reason:an incident'",
        "CloseTime IS NULL",
    ):
        await observe_found(world, query)
    grouped = await count_runs(world, of_scenario(world, "") + " GROUP BY ExecutionStatus")
    world.observe("by status", sorted(map(str, grouped.groups)))
    service = world.client.workflow_service
    named: dict[str, Any] = {
        "namespace": world.client.namespace,
        "start_time_filter": StartTimeFilter(),
        "execution_filter": WorkflowExecutionFilter(workflow_id=run.workflow_id),
    }
    listed = await service.list_open_workflow_executions(ListOpenWorkflowExecutionsRequest(**named))
    world.observe("open", len(listed.executions))
    closed = await service.list_closed_workflow_executions(
        ListClosedWorkflowExecutionsRequest(**named)
    )
    world.observe("closed", closed)
    await unpause_run(world, run)
    await until_listed(world, 2, "ExecutionStatus = 'Running'")
    await observe_found(world, "TemporalPauseInfo IS NOT NULL")


@scenario("rpc:PauseWorkflowExecution", "option:StartWorkflowExecutionRequest.workflow_start_delay")
async def test_a_run_that_is_to_begin_later_cannot_be_paused(world: World) -> None:
    run = await world.start(workflow_start_delay=seconds(60))
    await observe_refusal(world, pause_run(world, run), run)
    await observe_refusal(world, unpause_run(world, run), run)


#: Fields that differ from those of a good request.
MISTAKES: tuple[dict[str, Any], ...] = (
    {"namespace": ""},
    {"namespace": "nowhere"},
    {"namespace": "nowhere", "reason": LONG},
    {"workflow_id": ""},
    {"workflow_id": "", "run_id": ""},
    {"workflow_id": "", "reason": LONG},
    {"workflow_id": "nobody", "run_id": ""},
    {"workflow_id": LONG, "run_id": ""},
    {"run_id": "nonsense"},
    {"run_id": UNKNOWN_RUN_ID},
    {"run_id": "nonsense", "request_id": LONG},
    {"reason": LONG},
    {"request_id": LONG},
    {"identity": LONG},
    {"reason": LONG, "request_id": LONG, "identity": LONG},
    {"request_id": LONG, "identity": LONG},
)


@scenario("rpc:PauseWorkflowExecution", "rpc:UnpauseWorkflowExecution")
async def test_bad_requests_to_pause_and_unpause_are_refused(world: World) -> None:
    run = await idle(world)
    for fields in MISTAKES:
        await observe_refusal(world, pause_run(world, run, **fields), run)
        await observe_refusal(world, unpause_run(world, run, **fields), run)
    await world.observe_error("latest run", pause_run(world, run, run_id=""))
    await world.observe_error("run id", unpause_run(world, run, run_id=run.run_id.upper()))
