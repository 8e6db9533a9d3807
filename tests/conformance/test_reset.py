"""Runs that are reset: where they can be, what the new run takes over, what becomes of the old one.

Fired timers of the past and the schedule-to-close timeouts of activities are not observed: the real
server forgets some of them when it resets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import (
    Priority,
    RetryPolicy,
    TimeSkippingConfig,
    WorkflowExecution,
)
from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import (
    EventType,
    WorkflowIdConflictPolicy,
)
from temporalio.api.workflow.v1 import (
    PostResetOperation,
    VersioningOverride,
    WorkflowExecutionOptions,
)

from tests.conformance import updates
from tests.conformance.commands import (
    cancel_timer,
    complete_workflow,
    continue_as_new,
    fail_workflow,
    modify_memo,
    record_marker,
    request_cancel_activity,
    schedule_activity,
    seconds,
    start_timer,
    upsert_search_attributes,
)
from tests.conformance.operations import pause_run, unpause_run
from tests.conformance.payloads import memo
from tests.conformance.refusals import LONG, UNKNOWN_RUN_ID, observe_refusal
from tests.conformance.resets import finished_task, observe_run, reset
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World

REQUEST = "ResetWorkflowExecutionRequest"


async def busy_run(world: World) -> Run:
    """A run with open things of every kind, begun by its first workflow task; two more followed."""
    run = await world.start(memo=memo(color="blue"))
    away = world.unique("elsewhere")
    await world.raw.run_workflow_task(
        start_timer("long", 100),
        start_timer("cancelled", 100),
        schedule_activity("slow", task_queue=away, start_to_close=50),
        schedule_activity("given-up", task_queue=away, start_to_close=50),
        record_marker("version", number=1),
        upsert_search_attributes(ConformanceKeyword=("Keyword", "blue")),
        modify_memo(size=2),
    )
    await world.signal(run, "first", 1)
    await world.raw.run_workflow_task(cancel_timer("cancelled"), request_cancel_activity(8))
    await world.raw.run_workflow_task(
        upsert_search_attributes(ConformanceKeyword=("Keyword", "red")), start_timer("late", 100)
    )
    return run


# --- where


@pytest.mark.parametrize("task", [1, 2, 3])
@scenario(
    "rpc:ResetWorkflowExecution",
    "event:WorkflowTaskFailed",
    "event:WorkflowExecutionTerminated",
    *options(REQUEST, "namespace", "workflow_execution", "reason", "workflow_task_finish_event_id"),
)
async def test_an_open_run_is_reset(world: World, task: int) -> None:
    run = await busy_run(world)
    new = await reset(world, run, await finished_task(world, run, task))
    await observe_run(world, "old", run)
    await observe_run(world, "new", new)
    world.observe_task("task", await world.raw.poll_workflow_task())


@scenario("rpc:ResetWorkflowExecution", *options(REQUEST, "identity"))
async def test_a_reset_run_goes_on(world: World) -> None:
    run = await busy_run(world)
    new = await reset(world, run, await finished_task(world, run, 2))
    await world.raw.run_workflow_task(cancel_timer("long"), request_cancel_activity(7))
    await world.signal(Run(run.workflow_id), "third")
    await world.raw.run_workflow_task(complete_workflow("done"))
    await observe_run(world, "new", new)


@scenario("rpc:ResetWorkflowExecution")
async def test_an_activity_of_a_reset_run_begins_anew(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            start_to_close=50,
            retry_policy=RetryPolicy(initial_interval=seconds(0.01)),
        )
    )
    await world.signal(run)
    await world.raw.run_workflow_task()
    first = await world.raw.poll_activity_task()
    await world.raw.fail_activity_task(first)
    second = await world.raw.poll_activity_task()
    await world.raw.heartbeat(second, 5)
    new = await reset(world, run, await finished_task(world, run, 2))
    world.observe("description", await world.describe(new))
    await world.observe_error("late", world.raw.complete_activity_task(second))
    again = await world.raw.poll_activity_task()
    world.observe_task("task", again)
    await world.raw.complete_activity_task(again, "done")
    await world.observe_history("history", new)


@scenario("rpc:ResetWorkflowExecution", "event:ActivityTaskCompleted")
async def test_an_activity_that_was_over_is_not_scheduled_again(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, start_to_close=50)
    )
    await world.raw.complete_activity_task(await world.raw.poll_activity_task(), "done")
    await world.raw.run_workflow_task(complete_workflow())
    new = await reset(world, run, await finished_task(world, run, 2))
    await observe_run(world, "new", new)
    newer = await reset(world, run, await finished_task(world, run, 1))
    await observe_run(world, "newer", newer)


@scenario("rpc:ResetWorkflowExecution", "event:TimerFired")
async def test_a_timer_of_a_reset_run_fires(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(start_timer("t", 1.5))
    await world.signal(run)
    await world.raw.run_workflow_task()
    new = await reset(world, run, await finished_task(world, run, 2))
    await world.raw.run_workflow_task()
    await world.until_event(new, EventType.EVENT_TYPE_TIMER_FIRED)
    await world.observe_history("new", new)


@scenario("rpc:ResetWorkflowExecution")
async def test_a_workflow_task_that_was_not_begun_is_reset(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task()
    new = await reset(world, run, 3)
    await observe_run(world, "new", new)


@scenario("rpc:ResetWorkflowExecution")
async def test_a_run_that_no_worker_ever_saw_is_reset(world: World) -> None:
    run = await world.start()
    await world.observe_error("open", reset(world, run, 3))
    await world.terminate(run)
    new = await reset(world, run, 3)
    await observe_run(world, "new", new)


@pytest.mark.parametrize("finish", [4, 5])
@scenario("rpc:ResetWorkflowExecution", "event:WorkflowTaskFailed")
async def test_a_failed_workflow_task_is_reset(world: World, finish: int) -> None:
    run = await world.start()
    await world.raw.fail_workflow_task(await world.raw.poll_workflow_task())
    await world.signal(run)
    new = await reset(world, run, finish)
    await observe_run(world, "new", new)
    world.observe_task("task", await world.raw.poll_workflow_task())


@scenario("rpc:ResetWorkflowExecution", "event:WorkflowTaskTimedOut")
async def test_a_workflow_task_that_timed_out_is_reset(world: World) -> None:
    run = await world.start(workflow_task_timeout=seconds(1))
    await world.raw.poll_workflow_task()
    await world.until_event(run, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT)
    await world.signal(run)
    new = await reset(world, run, 5)
    await observe_run(world, "new", new)


@scenario("rpc:ResetWorkflowExecution")
async def test_a_workflow_task_of_a_later_attempt_is_reset(world: World) -> None:
    run = await world.start()
    for _ in range(3):
        await world.raw.fail_workflow_task(await world.raw.poll_workflow_task())
    await world.raw.run_workflow_task()
    new = await reset(world, run, await finished_task(world, run, 1))
    await observe_run(world, "new", new)
    world.observe_task("task", await world.raw.poll_workflow_task())


@scenario("rpc:ResetWorkflowExecution")
async def test_a_run_is_reset_while_its_workflow_task_is_in_flight(world: World) -> None:
    run = await updates.idle_run(world)
    await world.signal(run, "seen")
    task = await world.raw.poll_workflow_task()
    await world.signal(run, "buffered", 1)
    await world.request_cancel(run)
    new = await reset(world, run, 4)
    await observe_run(world, "old", run)
    await observe_run(world, "new", new)
    await world.observe_error("late answer", world.raw.complete_workflow_task(task))


@scenario("rpc:ResetWorkflowExecution")
async def test_every_event_of_a_run_is_tried(world: World) -> None:
    """Only where a workflow task was open, and not within what one change has written."""
    run = await busy_run(world)
    await world.terminate(run)
    for finish in range(-1, len((await world.history(run)).events) + 2):
        await world.observe_error(f"at {finish}", _reset_at(world, run, finish))


@scenario("rpc:ResetWorkflowExecution", "rpc:UpdateWorkflowExecution")
async def test_every_event_of_tasks_that_were_written_late_is_tried(world: World) -> None:
    run = await world.start()
    for _ in range(3):
        await world.raw.fail_workflow_task(await world.raw.poll_workflow_task())
    await world.raw.run_workflow_task(start_timer("t", 100))
    calls = [await updates.begun(updates.update(world, run, "accepted"))]
    task = await world.raw.poll_workflow_task()
    await updates.answer(world, task, updates.accept(task.messages[0]))
    calls.append(await updates.begun(updates.update(world, run, "ignored")))
    await world.signal(run)
    await world.raw.run_workflow_task()
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    await world.signal(run, "buffered")
    await world.raw.complete_workflow_task(
        task, force_create_new_workflow_task=True, return_new_workflow_task=True
    )
    await world.terminate(run)
    for call in calls:
        await call
    for finish in range(len((await world.history(run)).events) + 2):
        await world.observe_error(f"at {finish}", _reset_at(world, run, finish))


@scenario("rpc:ResetWorkflowExecution", "rpc:PauseWorkflowExecution")
async def test_a_paused_run_is_reset(world: World) -> None:
    run = await updates.idle_run(world)
    await pause_run(world, run)
    await world.signal(run)
    new = await reset(world, run, 4)
    await observe_run(world, "old", run)
    await observe_run(world, "new", new)
    await world.raw.run_workflow_task(complete_workflow())
    await world.closed(new)


@scenario("rpc:ResetWorkflowExecution", "rpc:UnpauseWorkflowExecution")
async def test_every_event_of_a_run_that_was_paused_is_tried(world: World) -> None:
    run = await updates.idle_run(world)
    await world.signal(run)
    await pause_run(world, run)
    await world.signal(run, "while paused")
    await unpause_run(world, run)
    task = await world.raw.poll_workflow_task()
    await pause_run(world, run)
    await world.raw.complete_workflow_task(task, start_timer("t", 100))
    await unpause_run(world, run)
    await world.terminate(run)
    await world.observe_history("history", run)
    for finish in range(len((await world.history(run)).events) + 2):
        await world.observe_error(f"at {finish}", _reset_at(world, run, finish))


async def _reset_at(world: World, run: Run, finish: int) -> int:
    return len((await world.history(await reset(world, run, finish))).events)


# --- which


ENDS = {
    "completed": complete_workflow("done"),
    "failed": fail_workflow(),
    "continued": continue_as_new(),
}


@pytest.mark.parametrize("end", ENDS)
@scenario("rpc:ResetWorkflowExecution")
async def test_a_closed_run_is_reset(world: World, end: str) -> None:
    run = await world.start()
    await world.signal(run, "early")
    await world.raw.run_workflow_task(ENDS[end])
    new = await reset(world, run, await finished_task(world, run, 1))
    await observe_run(world, "old", run)
    await observe_run(world, "new", new)
    await world.raw.run_workflow_task(complete_workflow("better"))
    await world.observe_history("end", Run(run.workflow_id))


@scenario("rpc:ResetWorkflowExecution")
async def test_a_run_is_reset_again_and_again(world: World) -> None:
    run = await updates.idle_run(world)
    await world.signal(run, "first")
    second = await reset(world, run, 4)
    await world.signal(second, "second")
    third = await reset(world, run, 4)
    await world.signal(third, "third")
    fourth = await reset(world, Run(run.workflow_id), 4)
    for label, each in {"1": run, "2": second, "3": third, "4": fourth}.items():
        await observe_run(world, label, each)


@scenario("rpc:ResetWorkflowExecution", "event:WorkflowExecutionContinuedAsNew")
async def test_a_run_that_continued_as_new_is_reset(world: World) -> None:
    run = await updates.idle_run(world)
    await world.pass_time(1)
    await world.signal(run, "first")
    await world.raw.run_workflow_task(continue_as_new())
    await world.raw.run_workflow_task()
    await world.signal(Run(run.workflow_id), "second")
    latest = Run(
        run.workflow_id,
        (await world.describe(Run(run.workflow_id))).workflow_execution_info.execution.run_id,
    )
    new = await reset(world, run, 4)
    await observe_run(world, "first", run)
    await observe_run(world, "second", latest)
    await observe_run(world, "new", new)
    newer = await reset(world, latest, 4)
    await observe_run(world, "newer", newer)


@scenario("rpc:ResetWorkflowExecution", "option:StartWorkflowExecutionRequest.retry_policy")
async def test_a_run_that_was_retried_is_reset(world: World) -> None:
    run = await world.start(retry_policy=RetryPolicy(initial_interval=seconds(0.1)))
    await world.raw.run_workflow_task()
    await world.pass_time(1)
    await world.signal(run, "first")
    await world.raw.run_workflow_task(fail_workflow())
    await world.raw.run_workflow_task()
    await world.signal(Run(run.workflow_id), "second")
    new = await reset(world, run, 4)
    await observe_run(world, "new", new)


@scenario(
    "rpc:ResetWorkflowExecution",
    "option:StartWorkflowExecutionRequest.workflow_execution_timeout",
    "option:StartWorkflowExecutionRequest.workflow_run_timeout",
)
async def test_timeouts_of_a_reset_run_begin_anew(world: World) -> None:
    run = await world.start(workflow_execution_timeout=seconds(6), workflow_run_timeout=seconds(2))
    await world.raw.run_workflow_task()
    await world.pass_time(1.2)
    new = await reset(world, run, 4)
    await world.pass_time(1.2)
    world.observe("still open", await world.describe(new))
    await world.closed(new)
    await world.observe_history("new", new)


@scenario("rpc:ResetWorkflowExecution")
async def test_a_delayed_run_has_nothing_to_reset(world: World) -> None:
    run = await world.start(workflow_start_delay=seconds(30))
    await world.signal(run)
    await observe_refusal(world, reset(world, run, 2), run)


@scenario("rpc:ResetWorkflowExecution", "option:StartWorkflowExecutionRequest.request_id")
async def test_a_reset_run_answers_the_request_that_started_the_workflow(world: World) -> None:
    request = world.start_request()
    run = world.run_of(request, await world.start_with(request))
    await world.raw.run_workflow_task()
    await reset(world, run, 4)
    world.observe("start again", await world.start_with(request))


@scenario(*options(REQUEST, "request_id"))
async def test_the_request_id_of_a_reset(world: World) -> None:
    request = world.start_request()
    run = world.run_of(request, await world.start_with(request))
    await world.raw.run_workflow_task()
    new = await reset(world, run, 4, request_id="twice")
    world.observe("of the reset", (await reset(world, run, 4, request_id="twice")).run_id)
    world.observe("first", new.run_id)
    started = await reset(world, run, 4, request_id=request.request_id)
    world.observe("of the start", started.run_id)
    await world.observe_history("history", Run(run.workflow_id))


@scenario("rpc:ResetWorkflowExecution")
async def test_an_open_run_is_reset_without_a_reason(world: World) -> None:
    run = await updates.idle_run(world)
    new = await reset(world, run, 4, reason="", identity="")
    await observe_run(world, "old", run)
    await observe_run(world, "new", new)


@scenario("rpc:ResetWorkflowExecution", "rpc:QueryWorkflow")
async def test_a_reset_run_is_listed_as_the_latest(world: World) -> None:
    run = await updates.idle_run(world)
    await reset(world, run, 4)
    description = await world.describe(Run(run.workflow_id))
    world.observe("latest", description)
    await world.observe_error("signal the old", world.signal(run))
    await world.observe_error("start again", world.start())
    await world.terminate(Run(run.workflow_id))
    await world.observe_history("latest", Run(run.workflow_id))


# --- operations after it


def change_options(mask: list[str] | None, **fields: Any) -> PostResetOperation:
    return PostResetOperation(
        update_workflow_options=PostResetOperation.UpdateWorkflowOptions(
            workflow_execution_options=WorkflowExecutionOptions(**fields),
            update_mask=None if mask is None else FieldMask(paths=mask),
        )
    )


AUTO_UPGRADE = VersioningOverride(auto_upgrade=True)

OPERATIONS = {
    "override": [change_options(["versioning_override"], versioning_override=AUTO_UPGRADE)],
    "priority": [change_options(["priority"], priority=Priority(priority_key=2))],
    "one after the other": [
        change_options(["versioning_override"], versioning_override=AUTO_UPGRADE),
        change_options(["priority.priority_key"], priority=Priority(priority_key=2)),
    ],
    "nothing masked": [change_options([], versioning_override=AUTO_UPGRADE)],
    "unset": [change_options(["versioning_override"])],
    "negative": [change_options(["priority"], priority=Priority(priority_key=-1))],
}


@pytest.mark.parametrize("case", OPERATIONS)
@scenario(
    "event:WorkflowExecutionOptionsUpdated",
    *options(REQUEST, "post_reset_operations"),
)
async def test_options_are_changed_after_a_reset(world: World, case: str) -> None:
    run = await updates.idle_run(world)
    await world.signal(run)
    new = await reset(world, run, 4, post_reset_operations=OPERATIONS[case])
    await observe_run(world, "new", new)


BAD_OPERATIONS = {
    "nothing": PostResetOperation(),
    "signal": PostResetOperation(
        signal_workflow=PostResetOperation.SignalWorkflow(signal_name="after")
    ),
    "pinned": change_options(
        ["versioning_override"],
        versioning_override=VersioningOverride(
            pinned=VersioningOverride.PinnedOverride(
                behavior=VersioningOverride.PINNED_OVERRIDE_BEHAVIOR_PINNED,
                version=WorkerDeploymentVersion(deployment_name="shop", build_id="1"),
            )
        ),
    ),
    "time skipping": change_options(
        ["time_skipping_config"], time_skipping_config=TimeSkippingConfig(enabled=True)
    ),
    "unknown path": change_options(["nonsense"], versioning_override=AUTO_UPGRADE),
    "part of an override": change_options(
        ["versioning_override.pinned"], versioning_override=AUTO_UPGRADE
    ),
}


@pytest.mark.parametrize("mistake", BAD_OPERATIONS)
@scenario()
async def test_post_reset_operation_is_refused(world: World, mistake: str) -> None:
    run = await updates.idle_run(world)
    await observe_refusal(
        world, reset(world, run, 4, post_reset_operations=[BAD_OPERATIONS[mistake]]), run
    )


# --- bad requests


BAD: Mapping[str, dict[str, Any]] = {
    "namespace empty": {"namespace": ""},
    "namespace unknown": {"namespace": "nowhere"},
    "namespace too long": {"namespace": LONG},
    "execution missing": {"workflow_execution": None},
    "workflow id empty": {"workflow_execution": WorkflowExecution()},
    "workflow unknown": {"workflow_execution": WorkflowExecution(workflow_id="nobody")},
    "run id malformed": {
        "workflow_execution": WorkflowExecution(workflow_id="nobody", run_id="nonsense")
    },
    "run unknown": {
        "workflow_execution": WorkflowExecution(workflow_id="nobody", run_id=UNKNOWN_RUN_ID)
    },
    "request id missing": {"request_id": ""},
    "request id too long": {"request_id": LONG},
    "request id and execution missing": {"request_id": "", "workflow_execution": None},
    "unknown reapply type": {"reset_reapply_type": 99},
    "unknown reapply type and no request id": {"reset_reapply_type": 99, "request_id": ""},
    "unknown reapply type and workflow": {
        "reset_reapply_type": 99,
        "workflow_execution": WorkflowExecution(workflow_id="nobody"),
    },
    "unknown and no event": {
        "workflow_execution": WorkflowExecution(workflow_id="nobody"),
        "workflow_task_finish_event_id": 0,
    },
    "no event": {"workflow_task_finish_event_id": 0},
    "first event": {"workflow_task_finish_event_id": 1},
    "event of another batch": {"workflow_task_finish_event_id": 2},
    "event to come": {"workflow_task_finish_event_id": 99},
    "negative event": {"workflow_task_finish_event_id": -1},
}


@pytest.mark.parametrize("mistake", BAD)
@scenario()
async def test_reset_is_refused(world: World, mistake: str) -> None:
    run = await updates.idle_run(world)
    fields = dict(BAD[mistake])
    finish = fields.pop("workflow_task_finish_event_id", 4)
    await observe_refusal(world, reset(world, run, finish, **fields), run)


@pytest.mark.parametrize("field", ["reason", "identity"])
@scenario()
async def test_reset_takes_long_words(world: World, field: str) -> None:
    run = await updates.idle_run(world)
    await reset(world, run, 4, **{field: LONG})
    await world.observe_history("new", Run(run.workflow_id))


# --- what comes after it


@scenario("event:WorkflowExecutionContinuedAsNew", "rpc:ResetWorkflowExecution")
async def test_a_reset_run_continues_as_new(world: World) -> None:
    run = await world.start(
        workflow_execution_timeout=seconds(1000),
        memo=memo(color="blue"),
        priority={"priority_key": 2},
    )
    await world.raw.run_workflow_task()
    await reset(world, run, 4)
    await world.pass_time(1)
    await world.raw.run_workflow_task(continue_as_new())
    await observe_run(world, "next", Run(run.workflow_id))


@scenario("event:WorkflowExecutionContinuedAsNew", "rpc:ResetWorkflowExecution")
async def test_a_reset_run_continues_as_new_at_once(world: World) -> None:
    run = await updates.idle_run(world)
    await world.pass_time(1.5)
    await reset(world, run, 4)
    await world.raw.run_workflow_task(continue_as_new())
    await world.observe_history("next", Run(run.workflow_id))


@scenario("option:StartWorkflowExecutionRequest.retry_policy", "rpc:ResetWorkflowExecution")
async def test_a_reset_run_is_retried(world: World) -> None:
    run = await world.start(
        retry_policy=RetryPolicy(initial_interval=seconds(0.1), maximum_attempts=2)
    )
    await world.raw.run_workflow_task()
    new = await reset(world, run, 4)
    await world.pass_time(1)
    await world.raw.run_workflow_task(fail_workflow("first"))
    await observe_run(world, "new", new)
    await world.raw.run_workflow_task(fail_workflow("second"))
    await observe_run(world, "last", Run(run.workflow_id))


@scenario("option:StartWorkflowExecutionRequest.cron_schedule", "rpc:ResetWorkflowExecution")
async def test_a_reset_run_of_a_schedule_is_followed_by_the_next(world: World) -> None:
    run = await world.start(cron_schedule="@every 1s")
    await world.raw.run_workflow_task()
    new = await reset(world, run, 4)
    await world.raw.run_workflow_task(complete_workflow("done"))
    await world.observe_history("new", new)
    latest = Run(run.workflow_id)
    await world.raw.run_workflow_task()
    await world.observe_history("next", latest)
    await world.terminate(latest)


@scenario("event:WorkflowExecutionTimedOut", "rpc:ResetWorkflowExecution")
async def test_the_chain_of_a_reset_run_times_out(world: World) -> None:
    run = await world.start(workflow_execution_timeout=seconds(2))
    await world.raw.run_workflow_task()
    await world.pass_time(1)
    new = await reset(world, run, 4)
    await world.pass_time(1.2)
    await world.raw.run_workflow_task(continue_as_new())
    latest = Run(run.workflow_id)
    await world.closed(latest)
    await world.observe_history("new", new)
    await world.observe_history("next", latest)


@scenario("rpc:StartWorkflowExecution", "rpc:ResetWorkflowExecution")
async def test_a_workflow_id_is_taken_from_a_reset_run(world: World) -> None:
    run = await updates.idle_run(world)
    new = await reset(world, run, 4)
    await world.start(
        workflow_id_conflict_policy=(
            WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
        )
    )
    await observe_run(world, "new", new)
    older = await reset(world, run, 4)
    await observe_run(world, "again", older)
