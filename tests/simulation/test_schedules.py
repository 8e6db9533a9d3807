"""Schedules as users of the SDK make and follow them, in virtual time."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import (
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleBackfill,
    ScheduleCalendarSpec,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowFailureError,
)
from temporalio.common import (
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from tests.simulation.workflows import Inbox
from timeskip import Simulation, SimulationStalled, SimulationStuck

pytestmark = pytest.mark.both_lanes

impatient = pytest.mark.timeskip(stall_timeout=timedelta(milliseconds=400))

COLOR = SearchAttributeKey.for_keyword("Color")
SIZE = SearchAttributeKey.for_text("Size")


@workflow.defn(sandboxed=False)
class Report:
    """Takes its time, and tells what it knows of the one before."""

    @workflow.run
    async def run(self, hours: float = 0) -> int:
        await asyncio.sleep(hours * 3600)
        before = workflow.get_last_completion_result(int)
        return 1 if before is None else before + 1


@workflow.defn(sandboxed=False)
class Unlucky:
    @workflow.run
    async def run(self) -> None:
        failure = workflow.get_last_failure()
        raise ApplicationError("no luck" if failure is None else f"again: {failure}")


@workflow.defn(sandboxed=False)
class Fetches:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(fetch, start_to_close_timeout=timedelta(minutes=5))


@activity.defn
async def fetch() -> str:
    return f"{datetime.now(timezone.utc):%d.%m. %H:%M}"


def daily(sim: Simulation, *args: float) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            Report.run, args=args, id="report", task_queue=sim.task_queue
        ),
        spec=ScheduleSpec(cron_expressions=["30 7 * * *"]),
    )


async def workflows_of(sim: Simulation, schedule: str = "daily") -> list[str]:
    """The ids of what a schedule has started, the oldest first."""
    query = f"TemporalScheduledById = '{schedule}'"
    return [run.id async for run in sim.client.list_workflows(query)][::-1]


async def results_of(sim: Simulation, handle: ScheduleHandle) -> list[Any]:
    """What the last of what a schedule has started have returned."""
    recent = (await handle.describe()).info.recent_actions
    found = []
    for each in recent:
        assert isinstance(each.action, ScheduleActionExecutionStartWorkflow)
        found.append(await sim.client.get_workflow_handle(each.action.workflow_id).result())
    return found


async def test_week_of_a_daily_schedule_has_seven_runs(sim: Simulation) -> None:
    async with sim.worker(workflows=[Report]):
        handle = await sim.client.create_schedule("daily", daily(sim))
        await sim.sleep(timedelta(days=7))

    assert await workflows_of(sim) == [f"report-2024-01-0{day}T07:30:00Z" for day in range(1, 8)]
    description = await handle.describe()
    assert description.info.num_actions == 7
    assert description.info.next_action_times[0] == sim.now + timedelta(hours=7, minutes=30)
    # Each gets the result of the one before.
    assert await results_of(sim, handle) == [1, 2, 3, 4, 5, 6, 7]


async def test_activities_of_a_scheduled_workflow_see_its_time(sim: Simulation) -> None:
    async with sim.worker(workflows=[Fetches], activities=[fetch]):
        handle = await sim.client.create_schedule(
            "fetches",
            Schedule(
                action=ScheduleActionStartWorkflow(
                    Fetches.run, id="fetch", task_queue=sim.task_queue
                ),
                spec=ScheduleSpec(
                    calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(8, 10, 2)])],
                    time_zone_name="Europe/Berlin",
                ),
            ),
        )
        await sim.run_until(lambda: len(sim.runs) == 3)
        found = await results_of(sim, handle)
    assert found == ["01.01. 07:00", "01.01. 09:00", "02.01. 07:00"]


async def test_no_time_passes_for_a_schedule_by_itself(sim: Simulation) -> None:
    async with sim.worker(workflows=[Report]):
        handle = await sim.client.create_schedule("daily", daily(sim))
        assert (await handle.describe()).info.num_actions == 0
        result = await sim.client.execute_workflow(
            Report.run, id="other", task_queue=sim.task_queue
        )
    assert result == 1
    assert sim.elapsed == timedelta(0)


async def test_actions_happen_while_another_workflow_is_waited_for(sim: Simulation) -> None:
    async with sim.worker(workflows=[Report]):
        await sim.client.create_schedule("daily", daily(sim))
        await sim.client.execute_workflow(Report.run, 60.0, id="other", task_queue=sim.task_queue)
    assert len(await workflows_of(sim)) == 3


async def test_long_runs_are_not_overtaken(sim: Simulation) -> None:
    """The days on which one goes on are skipped."""
    async with sim.worker(workflows=[Report]):
        handle = await sim.client.create_schedule("daily", daily(sim, 30.0))
        await sim.sleep(timedelta(days=6))
        info = (await handle.describe()).info
    assert (info.num_actions, info.num_actions_skipped_overlap) == (3, 3)


@pytest.mark.parametrize(
    ("overlap", "started"),
    [
        (ScheduleOverlapPolicy.SKIP, [0, 48]),
        (ScheduleOverlapPolicy.BUFFER_ONE, [0, 30, 60]),
        (ScheduleOverlapPolicy.BUFFER_ALL, [0, 30, 60]),
        (ScheduleOverlapPolicy.CANCEL_OTHER, [0, 24, 48]),
        (ScheduleOverlapPolicy.TERMINATE_OTHER, [0, 24, 48]),
        (ScheduleOverlapPolicy.ALLOW_ALL, [0, 24, 48]),
    ],
)
async def test_overlap_policies_in_time(
    sim: Simulation, overlap: ScheduleOverlapPolicy, started: list[int]
) -> None:
    """The second and the third one are due while the one before has six hours to go."""
    schedule = daily(sim, 30.0)
    schedule.policy = SchedulePolicy(overlap=overlap)
    schedule.state = ScheduleState(limited_actions=True, remaining_actions=3)
    async with sim.worker(workflows=[Report]):
        handle = await sim.client.create_schedule("daily", schedule)
        await sim.sleep(timedelta(days=2, hours=20))
        info = (await handle.describe()).info
    first = info.recent_actions[0].started_at
    hours = [(each.started_at - first) / timedelta(hours=1) for each in info.recent_actions]
    assert hours == started


async def test_schedule_pauses_after_a_failure(sim: Simulation) -> None:
    schedule = daily(sim)
    schedule.action = ScheduleActionStartWorkflow(
        Unlucky.run, id="unlucky", task_queue=sim.task_queue
    )
    schedule.policy = SchedulePolicy(pause_on_failure=True)
    async with sim.worker(workflows=[Unlucky]):
        handle = await sim.client.create_schedule("daily", schedule)
        await sim.sleep(timedelta(days=3))
        described = await handle.describe()
        assert described.info.num_actions == 1
        assert described.schedule.state.paused
        assert described.schedule.state.note == (
            "paused due to workflow failure: unlucky-2024-01-01T07:30:00Z: no luck"
        )

        await handle.unpause(note="try again")
        await sim.sleep(timedelta(days=1))
        (_, last) = await workflows_of(sim)
        with pytest.raises(WorkflowFailureError) as told:
            await sim.client.get_workflow_handle(last).result()
    assert "again: no luck" in str(told.value.cause)


async def test_jitter_is_the_same_for_the_same_seed(sim: Simulation) -> None:
    schedule = daily(sim)
    schedule.spec.jitter = timedelta(hours=2)
    async with sim.worker(workflows=[Report]):
        handle = await sim.client.create_schedule("daily", schedule)
        announced = list((await handle.describe()).info.next_action_times)
        await sim.sleep(timedelta(days=5))
        actions = (await handle.describe()).info.recent_actions
    assert [each.started_at for each in actions] == announced[: len(actions)]
    assert len({each.started_at.minute for each in actions}) > 1
    # Their ids tell when they were due without it.
    assert (await workflows_of(sim))[0] == "report-2024-01-01T07:30:00Z"


async def test_actions_are_limited_and_the_schedule_is_gone_a_week_later(sim: Simulation) -> None:
    schedule = daily(sim)
    schedule.state = ScheduleState(limited_actions=True, remaining_actions=2)
    async with sim.worker(workflows=[Report]):
        handle = await sim.client.create_schedule("daily", schedule)
        await sim.sleep(timedelta(days=8))
        described = await handle.describe()
        assert described.schedule.state.remaining_actions == 0
        assert described.info.num_actions == 2
        assert not described.info.next_action_times
        await sim.sleep(timedelta(days=1))
    with pytest.raises(RPCError) as told:
        await handle.describe()
    assert told.value.status == RPCStatusCode.NOT_FOUND
    assert not [each async for each in await sim.client.list_schedules()]


async def test_schedule_is_changed_while_time_goes_on(sim: Simulation) -> None:
    def hourly(update: ScheduleUpdateInput) -> ScheduleUpdate:
        update.description.schedule.spec = ScheduleSpec(
            intervals=[ScheduleIntervalSpec(every=timedelta(hours=1), offset=timedelta(minutes=5))]
        )
        return ScheduleUpdate(update.description.schedule)

    async with sim.worker(workflows=[Report]):
        handle = await sim.client.create_schedule("daily", daily(sim))
        sim.at(timedelta(days=2), handle.update, hourly)
        sim.at(timedelta(days=2, hours=2), handle.pause)
        sim.at(timedelta(days=4), handle.unpause)
        sim.at(timedelta(days=4, hours=1), handle.delete)
        await sim.sleep(timedelta(days=9))
    assert await workflows_of(sim) == [
        "report-2024-01-01T07:30:00Z",
        "report-2024-01-02T07:30:00Z",
        "report-2024-01-03T00:05:00Z",
        "report-2024-01-03T01:05:00Z",
        "report-2024-01-05T00:05:00Z",
    ]


async def test_same_instant_updates_do_not_act_at_once(sim: Simulation) -> None:
    """What a new specification names right now is over, as it is for a schedule that is created."""

    def at_midnight(update: ScheduleUpdateInput) -> ScheduleUpdate:
        update.description.schedule.spec = ScheduleSpec(cron_expressions=["@daily"])
        return ScheduleUpdate(update.description.schedule)

    async with sim.worker(workflows=[Report]):
        schedule = daily(sim)
        schedule.spec = ScheduleSpec(cron_expressions=["@daily"])
        await sim.client.create_schedule("created", schedule)
        handle = await sim.client.create_schedule("daily", daily(sim))
        await handle.update(at_midnight)
        assert not sim.runs
        await sim.sleep(timedelta(days=1))
        assert len(sim.runs) == 1


async def test_schedule_acts_at_once_where_it_is_asked_to(sim: Simulation) -> None:
    """Also while it is paused. Times that are filled in twice make one run."""
    schedule = daily(sim)
    schedule.state = ScheduleState(paused=True)
    schedule.spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(minutes=1))])
    begin = datetime(2020, 1, 20, 5, tzinfo=timezone.utc)

    def fill_in(first: int, last: int) -> ScheduleBackfill:
        return ScheduleBackfill(
            start_at=begin + timedelta(minutes=first),
            end_at=begin + timedelta(minutes=last),
            overlap=ScheduleOverlapPolicy.ALLOW_ALL,
        )

    async with sim.worker(workflows=[Report]):
        handle = await sim.client.create_schedule(
            "daily", schedule, trigger_immediately=True, backfill=[fill_in(-30, -29)]
        )
        assert (await handle.describe()).info.num_actions == 3
        await handle.backfill(fill_in(-4, -2), fill_in(-2, 0))
        assert (await handle.describe()).info.num_actions == 8
        await sim.sleep(timedelta(hours=1))
        await handle.trigger()
        assert (await handle.describe()).info.num_actions == 9


async def test_description_has_all_that_was_asked_for(sim: Simulation) -> None:
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(
            Report.run,
            1.0,
            id="report",
            task_queue=sim.task_queue,
            execution_timeout=timedelta(hours=1),
            run_timeout=timedelta(hours=2),
            task_timeout=timedelta(hours=3),
            retry_policy=RetryPolicy(maximum_attempts=20, maximum_interval=timedelta(seconds=100)),
            memo={"note": "n"},
            static_summary="summary",
            static_details="details",
        ),
        spec=ScheduleSpec(
            calendars=[
                ScheduleCalendarSpec(
                    second=(ScheduleRange(1, step=1),),
                    minute=(ScheduleRange(2, 3),),
                    hour=(ScheduleRange(4, 5, 6),),
                    day_of_month=(ScheduleRange(7),),
                    month=(ScheduleRange(9),),
                    year=(ScheduleRange(2080),),
                    comment="rarely",
                )
            ],
            intervals=[ScheduleIntervalSpec(every=timedelta(days=10), offset=timedelta(days=2))],
            cron_expressions=["0 12 * * MON"],
            skip=[ScheduleCalendarSpec(year=(ScheduleRange(2050),))],
            start_at=datetime(2060, 7, 8, 9, 10, 11, tzinfo=timezone.utc),
            jitter=timedelta(seconds=80),
        ),
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy.BUFFER_ONE,
            catchup_window=timedelta(minutes=5),
            pause_on_failure=True,
        ),
        state=ScheduleState(note="note", paused=True, limited_actions=True, remaining_actions=30),
    )
    handle = await sim.client.create_schedule("full", schedule, memo={"owner": "o"})
    described = await handle.describe()
    assert await described.memo_value("owner") == "o"
    assert (described.schedule.policy, described.schedule.state) == (
        schedule.policy,
        schedule.state,
    )
    schedule.spec.cron_expressions = []
    schedule.spec.calendars = [
        *schedule.spec.calendars,
        ScheduleCalendarSpec(hour=(ScheduleRange(12),), day_of_week=(ScheduleRange(1),)),
    ]
    assert described.schedule.spec == schedule.spec
    assert isinstance(described.schedule.action, ScheduleActionStartWorkflow)
    assert described.schedule.action.task_timeout == timedelta(hours=3)
    with pytest.raises(ScheduleAlreadyRunningError):
        await sim.client.create_schedule("full", schedule)


@pytest.mark.timeskip(search_attributes=[COLOR, SIZE])
async def test_search_attributes_of_a_schedule_are_replaced(sim: Simulation) -> None:
    async def replace(pairs: list[SearchAttributePair[str]] | None) -> TypedSearchAttributes:
        attributes = None if pairs is None else TypedSearchAttributes(pairs)
        await handle.update(
            lambda update: ScheduleUpdate(update.description.schedule, search_attributes=attributes)
        )
        return (await handle.describe()).typed_search_attributes

    pairs = [SearchAttributePair(COLOR, "red"), SearchAttributePair(SIZE, "large")]
    handle = await sim.client.create_schedule(
        "daily", daily(sim), search_attributes=TypedSearchAttributes(pairs)
    )
    other = await sim.client.create_schedule("other", daily(sim))
    assert len(await replace(None)) == 2
    assert [each.id async for each in await sim.client.list_schedules("Color = 'red'")] == ["daily"]
    assert (await replace([SearchAttributePair(COLOR, "blue")])).search_attributes == [
        SearchAttributePair(COLOR, "blue")
    ]
    assert len(await replace([])) == 0
    listed = [each.id async for each in await sim.client.list_schedules(page_size=1)]
    assert sorted(listed) == ["daily", "other"]
    await other.delete()
    assert [each.id async for each in await sim.client.list_schedules()] == ["daily"]


# -- waits that a schedule does not end ----------------------------------------------------------


@impatient
async def test_wait_that_no_schedule_will_end_is_told(sim: Simulation) -> None:
    async with sim.worker(workflows=[Report, Inbox]):
        await sim.client.create_schedule("daily", daily(sim))
        waited = await sim.client.start_workflow(
            Inbox.run, "the last", id="lost", task_queue=sim.task_queue
        )
        with pytest.raises(SimulationStalled) as told:
            await waited.result()
    text = str(told.value)
    assert "the test has waited for the result of workflow 'lost', and there is no end" in text
    assert "\n  schedule 'daily' goes on and on: it has started " in text


@impatient
async def test_schedule_that_skips_for_ever_is_told(sim: Simulation) -> None:
    await sim.client.create_schedule("daily", daily(sim))
    waited = await sim.client.start_workflow(Report.run, id="lost", task_queue=sim.task_queue)
    with pytest.raises(SimulationStalled) as told:
        await waited.result()
    text = str(told.value)
    assert "\n  schedule 'daily' goes on and on: it has started 1 workflow and skipped " in text
    assert " because 'report-2024-01-01T07:30:00Z' has not ended" in text


async def test_schedule_that_does_nothing_is_told_to_who_waits(sim: Simulation) -> None:
    async with sim.worker(workflows=[Report]):
        paused = daily(sim)
        paused.state = ScheduleState(paused=True, note="holidays")
        await sim.client.create_schedule("paused", paused)
        used_up = daily(sim)
        used_up.state = ScheduleState(limited_actions=True, remaining_actions=1)
        await sim.client.create_schedule("used up", used_up)
        over = daily(sim)
        over.spec.end_at = sim.now + timedelta(hours=1)
        await sim.client.create_schedule("over", over)
        with pytest.raises(SimulationStuck) as told:
            await sim.run_until(lambda: len(sim.runs) == 2)
    text = str(told.value)
    assert "\nSchedules:\n  'paused' is paused: holidays\n" in text
    assert "\n  'used up' may not act any more: all its actions are used up\n" in text
    assert "\n  'over' names no time any more\n" in text


@impatient
@pytest.mark.parametrize("starts", ["cron", "schedule"])
async def test_condition_that_never_holds_is_told(sim: Simulation, starts: str) -> None:
    async with sim.worker(workflows=[Report]):
        await start_days(sim, starts)
        with pytest.raises(SimulationStalled) as told:
            await sim.run_until(lambda: False)
    assert "the test has waited for `sim.run_until(" in str(told.value)
    assert told_of(starts) in str(told.value)


@impatient
@pytest.mark.parametrize("starts", ["cron", "schedule"])
async def test_event_that_never_comes_is_told(sim: Simulation, starts: str) -> None:
    if sim.lane == "wire":
        pytest.skip("runs that follow one another take their time there")
    async with sim.worker(workflows=[Report]):
        await start_days(sim, starts)
        with pytest.raises(SimulationStalled) as told:
            await asyncio.Event().wait()
    assert told_of(starts) in str(told.value)


async def start_days(sim: Simulation, starts: str) -> None:
    """Something that happens each day, for ever."""
    if starts == "cron":
        await sim.client.start_workflow(
            Report.run, id="daily", task_queue=sim.task_queue, cron_schedule="@daily"
        )
    else:
        await sim.client.create_schedule("daily", daily(sim))


def told_of(starts: str) -> str:
    return "its cron schedule has no end" if starts == "cron" else "'daily' goes on and on"


async def test_no_action_is_taken_when_the_test_has_ended(sim: Simulation) -> None:
    """What is due next would come at once if the end of the test were a wait."""
    async with sim.worker(workflows=[Report]):
        await sim.client.create_schedule("daily", daily(sim))
        await sim.sleep(timedelta(days=1))
    assert len(sim.runs) == 1


@pytest.mark.crash_sweep
async def test_schedule_survives_every_crash(sim: Simulation) -> None:
    async with sim.worker(workflows=[Report]):
        handle = await sim.client.create_schedule("daily", daily(sim, 1.0))
        await sim.sleep(timedelta(days=2))
        assert (await handle.describe()).info.num_actions == 2
        await handle.delete()


async def test_worker_dies_in_a_scheduled_workflow(sim: Simulation) -> None:
    """Faults name it by its id, in which there are colons."""
    sim.faults.kill_worker(at="workflow-task:report-2024-01-01T07:30:00Z:1:before-report")
    async with sim.worker(workflows=[Report]):
        handle = await sim.client.create_schedule("daily", daily(sim))
        await sim.sleep(timedelta(days=1))
        assert await results_of(sim, handle) == [1]
