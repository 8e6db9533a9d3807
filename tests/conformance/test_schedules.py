"""Schedules: what is known of them, and what they start.

The real server does what it is asked for a little later, and looks after the workflows that a schedule
has started only when it has something else to do: see `until`. What has to wait for the times of a
specification to come is in `test_schedules_in_time.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from temporalio.api.common.v1 import Priority, RetryPolicy
from temporalio.api.enums.v1 import ScheduleOverlapPolicy as Policy
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.enums.v1 import WorkflowIdReusePolicy
from temporalio.api.schedule.v1 import (
    SchedulePatch,
    SchedulePolicies,
    ScheduleSpec,
    ScheduleState,
    TriggerImmediatelyRequest,
)
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.workflowservice.v1 import CountSchedulesRequest, DescribeScheduleResponse

from tests.conformance.commands import (
    complete_workflow,
    continue_as_new,
    fail_workflow,
    seconds,
)
from tests.conformance.listings import until_listed as until_runs_listed
from tests.conformance.payloads import header, memo, payload, payloads, search_attributes
from tests.conformance.scenario import options, scenario
from tests.conformance.schedules import (
    HOURLY,
    backfill,
    create,
    delete,
    describe,
    find,
    instant,
    observe_schedule,
    patch,
    schedule,
    started,
    trigger,
    until,
    until_listed,
    update,
)
from tests.conformance.world import Run, World

#: Three times of an hourly schedule.
THREE_HOURS = ("2024-01-01T01:00:00", "2024-01-01T03:00:00")

#: With it a schedule acts once when it is created.
FIRST = SchedulePatch(
    trigger_immediately=TriggerImmediatelyRequest(scheduled_time=instant("2024-01-01"))
)

POLICIES = {
    "skip": Policy.SCHEDULE_OVERLAP_POLICY_SKIP,
    "buffer one": Policy.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE,
    "buffer all": Policy.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL,
    "cancel other": Policy.SCHEDULE_OVERLAP_POLICY_CANCEL_OTHER,
    "terminate other": Policy.SCHEDULE_OVERLAP_POLICY_TERMINATE_OTHER,
    "allow all": Policy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL,
}

RUNNING = Status.WORKFLOW_EXECUTION_STATUS_RUNNING

RICH: Mapping[str, Any] = {
    "input": payloads("tea", 3),
    "workflow_execution_timeout": seconds(900),
    "workflow_run_timeout": seconds(300),
    "workflow_task_timeout": seconds(7),
    "workflow_id_reuse_policy": WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
    "retry_policy": RetryPolicy(maximum_attempts=2),
    "memo": memo(note="n"),
    "search_attributes": search_attributes(ConformanceKeyword=("", "k")),
    "header": header(trace="t"),
    "user_metadata": UserMetadata(summary=payload("summary"), details=payload("details")),
    "priority": Priority(priority_key=2),
}


def acted(count: int) -> Callable[[DescribeScheduleResponse], bool]:
    """Whether a schedule has acted so often."""
    return lambda description: description.info.action_count == count


def has_heard(count: int = 1) -> Callable[[DescribeScheduleResponse], bool]:
    """Whether a schedule knows of the end of so many of the workflows that it has started."""
    return lambda description: (
        count
        == sum(each.start_workflow_status != RUNNING for each in description.info.recent_actions)
    )


@scenario(
    "rpc:CreateSchedule",
    "rpc:DescribeSchedule",
    "rpc:ListSchedules",
    *options(
        "CreateScheduleRequest",
        "namespace",
        "schedule_id",
        "schedule",
        "identity",
        "request_id",
        "memo",
        "search_attributes",
    ),
    *options("DescribeScheduleRequest", "namespace", "schedule_id"),
    *options("ListSchedulesRequest", "namespace", "query"),
)
async def test_a_schedule_is_described_and_listed(world: World) -> None:
    what = schedule(
        world,
        ScheduleSpec(cron_string=["0 12 * * MON-FRI # noon"], timezone_name="Europe/Berlin"),
        policies=SchedulePolicies(pause_on_failure=True, catchup_window=seconds(3)),
        state=ScheduleState(notes="note", limited_actions=True, remaining_actions=3),
        **RICH,
    )
    response = await create(
        world,
        what,
        memo=memo(owner="o"),
        search_attributes=search_attributes(
            ConformanceInt=("", 3), TemporalSchedulePaused=("", True)
        ),
    )
    world.observe("token", response.conflict_token.hex())
    observe_schedule(world, "schedule", await describe(world))
    query = f"ScheduleId = '{world.unique('schedule')}'"
    world.observe("listed", await until_listed(world, lambda page: len(page.schedules) == 1, query))


@scenario("rpc:CreateSchedule")
async def test_a_schedule_has_defaults(world: World) -> None:
    await create(world, schedule(world, ScheduleSpec()))
    observe_schedule(world, "schedule", await describe(world))


@scenario(
    "rpc:PatchSchedule",
    *options("PatchScheduleRequest", "namespace", "schedule_id", "patch", "identity"),
)
async def test_a_schedule_is_triggered(world: World) -> None:
    """The second time nothing comes of it: a run of the first one goes on."""
    await create(world, schedule(world, HOURLY, **RICH))
    await trigger(world)
    description = await until(world, acted(1))
    observe_schedule(world, "running", description)
    (run,) = started(description)
    await world.observe_history("run", run)
    await trigger(world, scheduled_time=instant("2024-01-01"))
    skipped = await until(world, lambda each: each.info.overlap_skipped > 0)
    observe_schedule(world, "skipped", skipped)
    await world.raw.run_workflow_task(complete_workflow("sold"))
    observe_schedule(world, "idle", await until(world, has_heard()))
    await until_runs_listed(world, 1, f"TemporalScheduledById = '{world.unique('schedule')}'")
    await until_runs_listed(world, 1, "TemporalScheduledStartTime > '2024-01-01T00:00:00Z'")


@scenario("option:TriggerImmediatelyRequest.scheduled_time")
async def test_a_schedule_is_triggered_for_another_time(world: World) -> None:
    await create(world)
    await trigger(world, scheduled_time=instant("2024-01-01T00:00:00.75"))
    description = await until(world, acted(1))
    times = [each.schedule_time.ToNanoseconds() for each in description.info.recent_actions]
    world.observe("time", times)
    (run,) = started(description)
    world.observe("id", run.workflow_id.endswith("-2024-01-01T00:00:00Z"))


@scenario("option:SchedulePolicies.keep_original_workflow_id")
async def test_a_schedule_that_would_keep_the_id(world: World) -> None:
    policies = SchedulePolicies(keep_original_workflow_id=True)
    await create(world, schedule(world, policies=policies), initial_patch=FIRST)
    observe_schedule(world, "schedule", await until(world, acted(1)))


@scenario("option:CreateScheduleRequest.initial_patch")
async def test_a_schedule_begins_with_a_patch(world: World) -> None:
    first = backfill(*THREE_HOURS, overlap_policy=Policy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL)
    first.pause = "not yet"
    first.trigger_immediately.CopyFrom(TriggerImmediatelyRequest())
    response = await create(world, schedule(world, HOURLY), initial_patch=first)
    world.observe("token", response.conflict_token.hex())
    observe_schedule(world, "schedule", await until(world, acted(4)))


@pytest.mark.parametrize("policy", POLICIES)
@scenario(
    *options("BackfillRequest", "start_time", "end_time", "overlap_policy"),
    *options("TriggerImmediatelyRequest", "overlap_policy"),
)
async def test_actions_overlap(world: World, policy: str) -> None:
    """A run goes on while three others are asked for; in the end all are let go, one by one."""
    await create(world, schedule(world, HOURLY), initial_patch=FIRST)
    (first,) = started(await until(world, acted(1)))
    await patch(world, backfill(*THREE_HOURS, overlap_policy=POLICIES[policy]))
    ended = 0
    if policy == "terminate other":
        await world.closed(first)
        await until(world, lambda each: acted(2)(each) and has_heard(1)(each))
        ended = 1
    else:
        await until(world, has_decided_on_three)
    observe_schedule(world, "overlapping", await describe(world))
    while runs := await open_runs(world):
        await world.terminate(runs[0])
        ended += 1
        await until(world, partial(has_gone_on, policy, ended))
    description = await describe(world)
    observe_schedule(world, "over", description)
    for number, run in enumerate(started(description)):
        await world.observe_history(f"run {number}", run)


def has_decided_on_three(description: DescribeScheduleResponse) -> bool:
    """Whether all that a backfill of three asks for is started, skipped or made to wait."""
    info = description.info
    return info.overlap_skipped + info.buffer_size + info.action_count == 4


async def open_runs(world: World) -> list[Run]:
    """What the schedule has started and has not closed, the oldest first."""
    return [
        run
        for run in started(await describe(world))
        if (await world.describe(run)).workflow_execution_info.status == RUNNING
    ]


def has_gone_on(policy: str, heard: int, description: DescribeScheduleResponse) -> bool:
    """Whether a schedule has done what is to be done when so many of its runs have ended.

    It never hears of those that ran beside others.
    """
    if policy == "allow all":
        return has_heard(1)(description)
    info = description.info
    return has_heard(heard)(description) and bool(info.running_workflows) >= bool(info.buffer_size)


@scenario(
    "rpc:PatchSchedule",
    *options("SchedulePatch", "pause", "unpause", "trigger_immediately", "backfill_request"),
)
async def test_a_schedule_is_paused_and_goes_on(world: World) -> None:
    """It can be triggered all the same."""
    await create(world)
    await patch(world, SchedulePatch(pause="holidays"))
    await until(world, lambda each: each.schedule.state.paused)
    observe_schedule(world, "paused", await describe(world))
    await patch(world, SchedulePatch(unpause="work", trigger_immediately=FIRST.trigger_immediately))
    await until(world, acted(1))
    observe_schedule(world, "not paused", await describe(world))
    await patch(world, SchedulePatch(pause="again", unpause="and on"))
    await until(world, lambda each: each.schedule.state.notes == "and on")
    observe_schedule(world, "both", await describe(world))


@scenario("rpc:UpdateSchedule", *options("UpdateScheduleRequest", "namespace", "schedule_id"))
async def test_a_schedule_is_updated(world: World) -> None:
    attributes = search_attributes(ConformanceInt=("", 3), ConformanceKeyword=("", "k"))
    await create(world, search_attributes=attributes, memo=memo(owner="o"))
    what = schedule(
        world,
        HOURLY,
        policies=SchedulePolicies(overlap_policy=Policy.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE),
        state=ScheduleState(limited_actions=True, remaining_actions=2, notes="two more"),
        input=payloads("new"),
    )
    await update(world, what)
    await until(world, lambda each: each.schedule.state.limited_actions)
    observe_schedule(world, "updated", await describe(world))
    await update(world, what, search_attributes=search_attributes(ConformanceInt=("", 4)))
    await until(world, lambda each: has_attributes(each, 1))
    observe_schedule(world, "other attributes", await describe(world))
    await update(world, schedule(world, ScheduleSpec()), search_attributes=search_attributes())
    await until(world, lambda each: has_attributes(each, 0))
    observe_schedule(world, "no attributes", await describe(world))


def has_attributes(description: DescribeScheduleResponse, count: int) -> bool:
    return len(description.search_attributes.indexed_fields) == count


@scenario(
    *options("UpdateScheduleRequest", "schedule", "conflict_token", "identity", "request_id"),
    *options("UpdateScheduleRequest", "search_attributes"),
    *options("PatchScheduleRequest", "request_id"),
)
async def test_updates_that_come_too_late_or_again(world: World) -> None:
    """Nothing comes of them, and nobody is told."""
    token = (await create(world)).conflict_token
    await update(world, schedule(world, state=ScheduleState(notes="first")), conflict_token=token)
    await until(world, lambda each: each.schedule.state.notes == "first")
    await update(world, schedule(world, state=ScheduleState(notes="late")), conflict_token=token)
    await patch(world, SchedulePatch(unpause="patched"), request_id="same")
    await until(world, lambda each: each.schedule.state.notes == "patched")
    await patch(world, SchedulePatch(unpause="patched again"), request_id="same")
    await update(world, schedule(world), conflict_token=b"x", request_id="same again")
    await until(world, lambda each: not each.schedule.state.notes)
    again = schedule(world, state=ScheduleState(notes="again"))
    await update(world, again, request_id="same again")
    await trigger(world)
    observe_schedule(world, "schedule", await until(world, acted(1)))


@scenario(
    "rpc:DeleteSchedule",
    "rpc:CountSchedules",
    *options("DeleteScheduleRequest", "namespace", "schedule_id", "identity"),
    *options("CountSchedulesRequest", "namespace", "query"),
)
async def test_a_schedule_is_deleted(world: World) -> None:
    """What it has started goes on, and its id can be taken again."""
    await create(world, initial_patch=FIRST)
    (run,) = started(await until(world, acted(1)))
    await delete(world)
    await world.observe_error("described", describe(world))
    await world.observe_error("deleted again", delete(world))
    await world.observe_error("patched", trigger(world))
    await world.observe_error("updated", update(world, schedule(world)))
    query = f"ScheduleId = '{world.unique('schedule')}'"
    await until_listed(world, lambda page: not page.schedules, query)
    count = await world.client.workflow_service.count_schedules(
        CountSchedulesRequest(namespace=world.client.namespace, query=query)
    )
    world.observe("count", count.count)
    await create(world)
    observe_schedule(world, "schedule", await describe(world))
    world.observe("run", (await world.describe(run)).workflow_execution_info.status)


@scenario("rpc:CreateSchedule")
async def test_a_schedule_is_created_twice(world: World) -> None:
    """The same request makes one schedule."""
    for _ in range(2):
        response = await create(world, request_id="same")
        world.observe("token", response.conflict_token.hex())
    await world.observe_error("other request", create(world))


@scenario("option:SchedulePolicies.overlap_policy")
async def test_runs_get_what_came_of_the_ones_before(world: World) -> None:
    """Also of those that continue as new, which are not over until the last of them is."""
    policies = SchedulePolicies(overlap_policy=Policy.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL)
    hours = backfill("2024-01-01T01:00:00", "2024-01-01T05:00:00")
    await create(world, schedule(world, HOURLY, policies=policies), initial_patch=hours)
    await world.raw.run_workflow_task(continue_as_new())
    await world.raw.run_workflow_task(complete_workflow("first"))
    await world.raw.run_workflow_task(fail_workflow("second"))
    await world.raw.run_workflow_task(complete_workflow())
    await world.raw.run_workflow_task(complete_workflow("fourth"))
    await world.raw.run_workflow_task(complete_workflow("fifth"))
    description = await until(world, has_heard(5))
    observe_schedule(world, "over", description)
    for number, run in enumerate(started(description)):
        await world.observe_history(f"run {number}", run)


@pytest.mark.parametrize("ending", ["failed", "timed out", "terminated"])
@scenario("option:SchedulePolicies.pause_on_failure")
async def test_a_schedule_pauses_after_a_failure(world: World, ending: str) -> None:
    """But not after the end of a run that somebody has terminated."""
    timeout = seconds(1) if ending == "timed out" else seconds(100)
    policies = SchedulePolicies(pause_on_failure=True)
    what = schedule(world, HOURLY, policies=policies, workflow_run_timeout=timeout)
    await create(world, what, initial_patch=FIRST)
    (run,) = started(await until(world, acted(1)))
    if ending == "failed":
        await world.raw.run_workflow_task(fail_workflow("no tea"))
    elif ending == "terminated":
        await world.terminate(run)
    observe_schedule(world, "schedule", await until(world, has_heard()))


@scenario("option:ScheduleState.limited_actions", "option:ScheduleState.remaining_actions")
async def test_actions_that_are_asked_for_are_not_limited(world: World) -> None:
    limited = ScheduleState(limited_actions=True, remaining_actions=0)
    await create(world, schedule(world, HOURLY, state=limited), initial_patch=FIRST)
    observe_schedule(world, "schedule", await until(world, acted(1)))


@scenario("option:ScheduleAction.start_workflow")
async def test_a_workflow_that_cannot_be_started(world: World) -> None:
    """Its id is taken, or it may not be started so: nothing comes of the action."""
    await create(world, initial_patch=FIRST)
    await until(world, acted(1))
    await create(world, name="same id", initial_patch=FIRST)
    bad = schedule(world, workflow_id="bad", retry_policy=RetryPolicy(maximum_attempts=-1))
    await create(world, bad, name="bad retry policy", initial_patch=FIRST)
    for name in ("same id", "bad retry policy"):
        await trigger(world, name, scheduled_time=instant("2024-01-01"))
        await patch(world, SchedulePatch(unpause="dealt with"), name)
        await until(world, lambda each: each.schedule.state.notes == "dealt with", name)
        observe_schedule(world, name, await describe(world, name))


@scenario("option:BackfillRequest.overlap_policy")
async def test_a_backfill_of_many_takes_its_time(world: World) -> None:
    """Ten at once, and more a second later."""
    beside = Policy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL
    many = backfill("2024-01-01T01:00:00", "2024-01-01T12:00:00", overlap_policy=beside)
    await create(world, schedule(world, HOURLY), initial_patch=many)
    actions = (await until(world, acted(12))).info.recent_actions
    times = [each.actual_time.ToDatetime() for each in actions]
    gaps = [after - before > timedelta(seconds=0.9) for before, after in pairwise(times)]
    world.observe("long gaps", gaps)


@scenario(
    "rpc:ListSchedules",
    *options("ListSchedulesRequest", "maximum_page_size", "next_page_token"),
)
async def test_schedules_are_listed_in_pages(world: World) -> None:
    """The newest first; listings show less than descriptions."""
    key = world.unique("k")
    attributes = search_attributes(ConformanceKeyword=("", key))
    for name in ("first", "second", "third"):
        what = schedule(world, workflow_id=name)
        await create(world, what, name, search_attributes=attributes, initial_patch=FIRST)
        await until(world, acted(1), name)
    await patch(world, SchedulePatch(pause="rest"), "second")
    query = f"ConformanceKeyword = '{key}'"
    await until_listed(world, lambda page: any(each.info.paused for each in page.schedules), query)
    await until_listed(world, lambda page: len(page.schedules) == 3, query)
    token = b""
    for number in range(3):
        page = await find(world, query, maximum_page_size=2, next_page_token=token)
        world.observe(f"page {number}", [each.schedule_id for each in page.schedules])
        token = page.next_page_token
        world.observe("ends", not token)
        if not token:
            break
    (paused,) = (await find(world, f"{query} AND TemporalSchedulePaused = true")).schedules
    world.observe("paused", paused)
