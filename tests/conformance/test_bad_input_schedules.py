"""Requests about schedules that are refused: with which error, and which of several mistakes is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from temporalio.api.common.v1 import Memo, Payload, Payloads, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdReusePolicy
from temporalio.api.schedule.v1 import (
    CalendarSpec,
    IntervalSpec,
    Range,
    Schedule,
    ScheduleAction,
    SchedulePatch,
    ScheduleSpec,
    ScheduleState,
    StructuredCalendarSpec,
    TriggerImmediatelyRequest,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    CountSchedulesRequest,
    CreateScheduleRequest,
    DeleteScheduleRequest,
    DescribeScheduleRequest,
    ListScheduleMatchingTimesRequest,
    ListSchedulesRequest,
    PatchScheduleRequest,
    UpdateScheduleRequest,
)

from tests.conformance.commands import seconds
from tests.conformance.payloads import memo, search_attributes
from tests.conformance.refusals import LONG
from tests.conformance.scenario import scenario
from tests.conformance.schedules import (
    create,
    describe,
    find,
    instant,
    schedule,
    until_listed,
    workflow,
)
from tests.conformance.world import World

LARGE = Payload(data=b"x" * (2 * 1024 * 1024 + 1))
BAD_ATTRIBUTES = search_attributes(Nonsense=("", 1))
BAD_SPEC = ScheduleSpec(cron_string=["often"])


def of_cron(*texts: str, **fields: Any) -> ScheduleSpec:
    return ScheduleSpec(cron_string=texts, **fields)


def of_calendar(**fields: str) -> ScheduleSpec:
    return ScheduleSpec(calendar=[CalendarSpec(**fields)])


def of_structured(**fields: Any) -> ScheduleSpec:
    return ScheduleSpec(structured_calendar=[StructuredCalendarSpec(**fields)])


def of_interval(length: float, phase: float = 0) -> ScheduleSpec:
    interval = IntervalSpec(interval=seconds(length), phase=seconds(phase))
    return ScheduleSpec(interval=[interval])


SPECS: Mapping[str, ScheduleSpec] = {
    **{
        f"cron {text!r}": of_cron(text)
        for text in (
            "",
            "* * * *",
            "* * * * * * * *",
            "@reboot",
            "@DAILY",
            "60 * * * *",
            "a * * * *",
            "? * * * *",
            "0x5 * * * *",
            "-5 * * * *",
            "5,,6 * * * *",
            "*/0 * * * *",
            "*/-1 * * * *",
            "*/a * * * *",
            "*/99999999999999999999 * * * *",
            "*/ * * * *",
            "5-3 * * * *",
            "5-a * * * *",
            "*-5 * * * *",
            "1-2-3 * * * *",
            "1/2/3 * * * *",
            "* * * * 8",
            "* * * * mon-sun",
            "* * * * s",
            "* * * ja *",
            "* * * januz *",
            "* * * * * 1999",
            "* * * * * 2101",
            "x x x x x x x",
            "@every",
            "@every x",
            "@every  1h",
            "@every 1",
            "@every 1w",
            "@every .",
            "@every -1h",
            "@every 0s",
            "@every 999ms",
            "@every 1h/1h",
            "@every 1h /5m",
            "@every 1h/x",
            "CRON_TZ=Europe/Berlin",
            "CRON_TZ=Nowhere/Berlin 0 0 * * *",
            "# only a comment",
        )
    },
    "zones that differ": of_cron("TZ=Europe/Berlin 0 0 * * *", "0 0 * * *"),
    "two zones": of_cron("TZ=Europe/Berlin 0 0 * * *", timezone_name="Europe/Paris"),
    "an interval in a zone": of_cron("TZ=Europe/Berlin @every 1h", "TZ=Europe/Berlin 0 0 * * *"),
    "unknown zone": ScheduleSpec(timezone_name="Europe/Nowhere"),
    "zone in other letters": ScheduleSpec(timezone_name="europe/berlin"),
    "zone that is a path": ScheduleSpec(timezone_name="../etc"),
    "zone data that is none": ScheduleSpec(timezone_name="Mine", timezone_data=b"nothing"),
    "zone beside data": of_cron(
        "TZ=Mine 0 0 * * *", timezone_name="Mine", timezone_data=b"nothing"
    ),
    "all fields": of_calendar(
        second="x", minute="x", hour="x", day_of_month="x", month="x", year="x", day_of_week="x"
    ),
    "first mistake of a field": of_calendar(second="1,70,x-1,1/2/3", minute="5-x/0"),
    "spaces in a field": of_calendar(hour="5, 6"),
    "excluded": ScheduleSpec(exclude_calendar=[CalendarSpec(hour="24")]),
    "structured start": of_structured(second=[Range(start=60)]),
    "structured start below": of_structured(day_of_month=[Range()]),
    "structured end": of_structured(minute=[Range(start=5, end=3)], hour=[Range(start=5, end=24)]),
    "structured step": of_structured(month=[Range(start=1, step=-1)]),
    "structured year": of_structured(year=[Range(start=1999)]),
    "structured sunday": of_structured(day_of_week=[Range(start=7)]),
    "structured comment": of_structured(comment="é" * 101),
    "structured in many ways": of_structured(
        second=[Range(start=60, end=70, step=-1)], hour=[Range(start=24)], comment="c" * 201
    ),
    "interval of nothing": ScheduleSpec(interval=[IntervalSpec()]),
    "interval too short": of_interval(0.9),
    "phase below zero": of_interval(2, -1),
    "phase too long": of_interval(2, 2),
    "calendar before interval": ScheduleSpec(
        calendar=[CalendarSpec(hour="24")], interval=[IntervalSpec()]
    ),
    "structured before interval": ScheduleSpec(
        structured_calendar=[StructuredCalendarSpec(hour=[Range(start=24)])],
        interval=[IntervalSpec()],
        timezone_name="Nowhere",
    ),
    "interval before zone": ScheduleSpec(interval=[IntervalSpec()], timezone_name="Nowhere"),
}

ACTIONS: Mapping[str, Mapping[str, Any]] = {
    "id too long": {"workflow_id": LONG},
    "id too long with a time": {"workflow_id": "x" * 980},
    "type missing": {"workflow_type": None},
    "type too long": {"workflow_type": WorkflowType(name=LONG)},
    "queue missing": {"task_queue": None},
    "queue empty": {"task_queue": TaskQueue()},
    "queue too long": {"task_queue": TaskQueue(name=LONG)},
    "execution timeout": {"workflow_execution_timeout": seconds(-1)},
    "run timeout": {"workflow_run_timeout": seconds(-1)},
    "task timeout": {"workflow_task_timeout": seconds(-1)},
    "cron": {"cron_schedule": "* * * * *"},
    "reuse policy": {
        "workflow_id_reuse_policy": (
            WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
        )
    },
    "attribute": {"search_attributes": BAD_ATTRIBUTES},
    "input": {"input": Payloads(payloads=[LARGE])},
    "memo": {"memo": Memo(fields={"large": LARGE})},
    "id before type": {"workflow_id": LONG, "workflow_type": None},
    "type before queue": {"workflow_type": None, "task_queue": None},
    "queue before timeout": {"task_queue": None, "workflow_run_timeout": seconds(-1)},
    "timeout before cron": {"workflow_run_timeout": seconds(-1), "cron_schedule": "x"},
    "cron before reuse policy": {
        "cron_schedule": "x",
        "workflow_id_reuse_policy": (
            WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
        ),
        "search_attributes": BAD_ATTRIBUTES,
    },
    "attribute before input": {
        "search_attributes": BAD_ATTRIBUTES,
        "input": Payloads(payloads=[LARGE]),
    },
}

CREATIONS: Mapping[str, Mapping[str, Any]] = {
    "namespace empty": {"namespace": ""},
    "namespace unknown": {"namespace": "nowhere"},
    "namespace unknown and no request id": {"namespace": "nowhere", "request_id": ""},
    "id empty": {"schedule_id": ""},
    "id too long": {"schedule_id": LONG},
    "id too long with its prefix": {"schedule_id": "x" * 980},
    "request id empty": {"request_id": ""},
    "request id too long": {"request_id": LONG},
    "attribute": {"search_attributes": BAD_ATTRIBUTES},
    "attribute of another type": {"search_attributes": search_attributes(ConformanceInt=("", "x"))},
    "attribute too large": {
        "search_attributes": search_attributes(ConformanceKeyword=("", "x" * 3000))
    },
    "memo": {"memo": Memo(fields={"large": LARGE})},
    "id before request id": {"schedule_id": LONG, "request_id": LONG},
    "request id before specification": {"request_id": LONG, "schedule": Schedule(spec=BAD_SPEC)},
    "specification before no request id": {
        "request_id": "",
        "schedule": Schedule(spec=BAD_SPEC),
    },
    "no request id before attribute": {"request_id": "", "search_attributes": BAD_ATTRIBUTES},
    "no request id before no id": {"request_id": "", "schedule_id": ""},
    "specification before attribute": {
        "search_attributes": BAD_ATTRIBUTES,
        "schedule": Schedule(spec=BAD_SPEC),
    },
    "attribute before memo": {
        "search_attributes": BAD_ATTRIBUTES,
        "memo": Memo(fields={"large": LARGE}),
    },
    "long notes": {"initial_patch": SchedulePatch(pause=LONG)},
}


async def observe_all(
    world: World, mistakes: Mapping[str, Any], ask: Callable[[str, Any], Awaitable[Any]]
) -> None:
    """Note what comes of each mistake."""
    for label, mistake in mistakes.items():
        await world.observe_error(label, ask(label, mistake))


@scenario("rpc:CreateSchedule")
async def test_specifications_that_are_refused(world: World) -> None:
    async def ask(label: str, spec: ScheduleSpec) -> Any:
        return await create(world, schedule(world, spec), label)

    await observe_all(world, SPECS, ask)


@scenario("rpc:CreateSchedule")
async def test_actions_that_are_refused(world: World) -> None:
    async def ask(label: str, fields: Mapping[str, Any]) -> Any:
        return await create(world, schedule(world, **fields), label)

    await observe_all(world, ACTIONS, ask)
    both = Schedule(spec=BAD_SPEC, action=ScheduleAction(start_workflow=workflow(world)))
    both.action.start_workflow.ClearField("workflow_type")
    await world.observe_error("specification or action", create(world, both))
    await world.observe_error(
        "action or attributes",
        create(world, schedule(world, workflow_type=None), search_attributes=BAD_ATTRIBUTES),
    )


@scenario("rpc:CreateSchedule")
async def test_creations_that_are_refused(world: World) -> None:
    async def ask(label: str, fields: Mapping[str, Any]) -> Any:
        return await create(world, name=label, **fields)

    await observe_all(world, CREATIONS, ask)


@scenario("rpc:CreateSchedule", "rpc:DescribeSchedule")
async def test_a_schedule_without_an_action(world: World) -> None:
    """It is created, but cannot be updated to it."""
    request = CreateScheduleRequest(
        namespace=world.client.namespace, schedule_id=world.unique("empty"), request_id="1"
    )
    service = world.client.workflow_service
    await world.observe_error("created", service.create_schedule(request))
    described = DescribeScheduleRequest(
        namespace=world.client.namespace, schedule_id=world.unique("empty")
    )
    await world.observe_error("described", service.describe_schedule(described))
    trigger = SchedulePatch(trigger_immediately=TriggerImmediatelyRequest())
    patch = PatchScheduleRequest(
        namespace=world.client.namespace, schedule_id=world.unique("empty"), patch=trigger
    )
    await world.observe_error("triggered", service.patch_schedule(patch))


@scenario("rpc:UpdateSchedule", "option:UpdateScheduleRequest.memo")
async def test_updates_that_are_refused(world: World) -> None:
    await create(world)
    good = schedule(world)

    async def ask(label: str, fields: Mapping[str, Any]) -> Any:
        request: dict[str, Any] = {
            "namespace": world.client.namespace,
            "schedule_id": world.unique("schedule"),
            "schedule": good,
        }
        return await world.client.workflow_service.update_schedule(
            UpdateScheduleRequest(**{**request, **fields})
        )

    bad_spec = Schedule(spec=BAD_SPEC, action=good.action)
    bad_action = schedule(world, workflow_type=None)
    await observe_all(
        world,
        {
            "namespace unknown": {"namespace": "nowhere"},
            "id empty": {"schedule_id": ""},
            "id unknown": {"schedule_id": "nobody"},
            "id too long": {"schedule_id": LONG},
            "request id too long": {"request_id": LONG},
            "nothing": {"schedule": None},
            "no action": {"schedule": Schedule(action=ScheduleAction())},
            "no action and bad specification": {"schedule": Schedule(spec=BAD_SPEC)},
            "specification": {"schedule": bad_spec},
            "action": {"schedule": bad_action},
            "action or specification": {
                "schedule": Schedule(spec=BAD_SPEC, action=bad_action.action)
            },
            "attribute": {"search_attributes": BAD_ATTRIBUTES},
            "attribute or id": {"search_attributes": BAD_ATTRIBUTES, "schedule_id": "nobody"},
            "memo": {"memo": memo(owner="o")},
            "memo or id": {"memo": memo(owner="o"), "schedule_id": "nobody"},
            "memo or attribute": {"memo": memo(owner="o"), "search_attributes": BAD_ATTRIBUTES},
            "memo or specification": {"memo": memo(owner="o"), "schedule": bad_spec},
            "long notes": {
                "schedule": schedule(world, state=ScheduleState(notes=LONG)),
            },
            "request id or action": {"request_id": LONG, "schedule": None},
        },
        ask,
    )


@scenario("rpc:PatchSchedule")
async def test_patches_that_are_refused(world: World) -> None:
    await create(world)

    async def ask(label: str, fields: Mapping[str, Any]) -> Any:
        request: dict[str, Any] = {
            "namespace": world.client.namespace,
            "schedule_id": world.unique("schedule"),
            "patch": SchedulePatch(),
        }
        return await world.client.workflow_service.patch_schedule(
            PatchScheduleRequest(**{**request, **fields})
        )

    await observe_all(
        world,
        {
            "namespace unknown": {"namespace": "nowhere"},
            "id empty": {"schedule_id": ""},
            "id unknown": {"schedule_id": "nobody"},
            "id too long": {"schedule_id": LONG},
            "request id too long": {"request_id": LONG},
            "no patch": {"patch": None},
            "nothing in it": {"patch": SchedulePatch()},
            "long notes": {"patch": SchedulePatch(pause=LONG)},
            "long notes of the other": {"patch": SchedulePatch(unpause=LONG)},
            "request id or patch": {"request_id": LONG, "patch": None},
            "patch or id": {"patch": None, "schedule_id": ""},
            "notes or id": {"patch": SchedulePatch(pause=LONG), "schedule_id": "nobody"},
        },
        ask,
    )


@scenario(
    "rpc:DescribeSchedule",
    "rpc:DeleteSchedule",
    "rpc:ListScheduleMatchingTimes",
)
async def test_schedules_that_do_not_exist(world: World) -> None:
    service = world.client.workflow_service
    await create(world)
    await describe(world)
    own = world.client.namespace
    for label, namespace, name in (
        ("namespace unknown", "nowhere", "x"),
        ("id empty", own, ""),
        ("id unknown", own, "nobody"),
        ("id too long", own, LONG),
        ("no times", own, world.unique("schedule")),
    ):
        times = ListScheduleMatchingTimesRequest(namespace=namespace, schedule_id=name)
        listed = service.list_schedule_matching_times(times)
        await world.observe_error(f"{label}: times", listed)
        times.start_time.CopyFrom(instant("2024-01-01"))
        listed = service.list_schedule_matching_times(times)
        await world.observe_error(f"{label}: times without end", listed)
        if label == "no times":
            continue
        description = DescribeScheduleRequest(namespace=namespace, schedule_id=name)
        await world.observe_error(f"{label}: described", service.describe_schedule(description))
        deletion = DeleteScheduleRequest(namespace=namespace, schedule_id=name)
        await world.observe_error(f"{label}: deleted", service.delete_schedule(deletion))


FILTERS = (
    "ScheduleId = '{second}'",
    "ScheduleId != '{second}'",
    "ScheduleId IN ('{first}', '{second}')",
    "ScheduleId NOT IN ('{first}', '{second}')",
    "ScheduleId STARTS_WITH 'f'",
    "ScheduleId NOT STARTS_WITH 'f'",
    "ScheduleId > 'a'",
    "ScheduleId < 'a'",
    "ScheduleId BETWEEN 'a' AND 'z'",
    "ScheduleId IS NOT NULL",
    "ScheduleId = 1",
    "ScheduleId = '{first}' OR ScheduleId = '{second}'",
    "TemporalSchedulePaused = true",
    "SchedulePaused = false",
    "TemporalSchedulePaused IS NULL",
    "ConformanceInt > 1",
    "`ConformanceInt` <= 1",
    "TemporalScheduleId = '{first}'",
    "WorkflowId = '{first}'",
    "WorkflowType = 'Order'",
    "ExecutionStatus = 'Running'",
    "StartTime > '2020-01-01T00:00:00Z'",
    "TemporalNamespaceDivision = 'TemporalScheduler'",
    "BuildIds IS NULL",
    "TemporalScheduledById = '{first}'",
    "ScheduleNextActionTime IS NULL",
    "ScheduleIdleCloseTime > '2020-01-01T00:00:00Z'",
    "ScheduleRunningWorkflowCount = 0",
    "Nonsense = 1",
    "WorkflowId = 'x' AND Nonsense = 1",
    "Nonsense = 1 AND WorkflowId = 'x'",
    "ScheduleId",
    "ScheduleId =",
    "ScheduleId LIKE 'f'",
    "ScheduleId = ScheduleId",
    "ScheduleId = '{first}' AND",
    "ORDER BY ScheduleId",
    "ScheduleId = '{first}' ORDER BY ScheduleId",
    "ORDER BY StartTime DESC",
    "GROUP BY ExecutionStatus",
    "GROUP BY ScheduleId",
    "LIMIT 1",
    "lower(ScheduleId) = 'f'",
    "'f' = ScheduleId",
)


@scenario("option:ListSchedulesRequest.query", "option:CountSchedulesRequest.query")
async def test_filters_of_schedules(world: World) -> None:
    """Those that find anything are asked only of the scenario's own schedules."""
    key = world.unique("k")
    for number, name in enumerate(("first", "second")):
        attributes = search_attributes(ConformanceKeyword=("", key), ConformanceInt=("", number))
        state = ScheduleState(paused=name == "second")
        await create(world, schedule(world, state=state), name, search_attributes=attributes)
    own = f"ConformanceKeyword = '{key}'"
    await until_listed(world, lambda page: len(page.schedules) == 2, own)
    await until_listed(
        world, lambda page: bool(page.schedules), f"{own} AND TemporalSchedulePaused = true"
    )
    ids = {name: world.unique(name) for name in ("first", "second")}
    for query in FILTERS:
        asked = query.format(**ids)
        await world.observe_error(query, found(world, own, asked))
        if "BY" not in query and "LIMIT" not in query and query[-3:] != "AND":
            await world.observe_error(f"count: {query}", counted(world, f"{own} AND ({asked})"))


async def found(world: World, own: str, query: str) -> Any:
    """What a filter finds of the scenario's own, or how it is refused if asked alone."""
    await find(world, query)
    page = await find(world, f"{own} AND ({query})")
    raise LookupError(f"found {[each.schedule_id for each in page.schedules]}")


async def counted(world: World, query: str) -> Any:
    return await world.client.workflow_service.count_schedules(
        CountSchedulesRequest(namespace=world.client.namespace, query=query)
    )


@scenario("rpc:ListSchedules", "rpc:CountSchedules")
async def test_listings_that_are_refused(world: World) -> None:
    service = world.client.workflow_service
    for namespace in ("", "nowhere"):
        listed = service.list_schedules(ListSchedulesRequest(namespace=namespace))
        await world.observe_error(f"listed in {namespace!r}", listed)
        count = service.count_schedules(CountSchedulesRequest(namespace=namespace))
        await world.observe_error(f"counted in {namespace!r}", count)
