"""Schedules as clients make and see them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import WorkflowType
from temporalio.api.schedule.v1 import (
    BackfillRequest,
    IntervalSpec,
    Schedule,
    ScheduleAction,
    SchedulePatch,
    SchedulePolicies,
    ScheduleSpec,
    ScheduleState,
    TriggerImmediatelyRequest,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import NewWorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    CreateScheduleResponse,
    DeleteScheduleRequest,
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    ListScheduleMatchingTimesRequest,
    ListSchedulesRequest,
    ListSchedulesResponse,
    PatchScheduleRequest,
    UpdateScheduleRequest,
)

from tests.conformance.commands import seconds
from tests.conformance.world import Run, World

#: A specification whose times are far enough apart for none to come while a scenario runs.
SELDOM = ScheduleSpec(interval=[IntervalSpec(interval=seconds(365 * 86_400))])

HOURLY = ScheduleSpec(interval=[IntervalSpec(interval=seconds(3600))])


def instant(text: str) -> Timestamp:
    """A time in UTC, such as "2024-01-31" or "2024-01-31T12:00:00.5"."""
    since = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    found = Timestamp()
    found.FromDatetime(since)
    return found


def workflow(world: World, **fields: Any) -> NewWorkflowExecutionInfo:
    """What the schedules of a scenario start."""
    good: dict[str, Any] = {
        "workflow_id": world.unique("order"),
        "workflow_type": WorkflowType(name="Order"),
        "task_queue": TaskQueue(name=world.task_queue),
    }
    return NewWorkflowExecutionInfo(**{**good, **fields})


def schedule(
    world: World,
    spec: ScheduleSpec = SELDOM,
    *,
    policies: SchedulePolicies | None = None,
    state: ScheduleState | None = None,
    **action: Any,
) -> Schedule:
    """A schedule; `action` are fields of the workflow that it starts."""
    return Schedule(
        spec=spec,
        action=ScheduleAction(start_workflow=workflow(world, **action)),
        policies=policies,
        state=state,
    )


async def create(
    world: World, what: Schedule | None = None, name: str = "schedule", **fields: Any
) -> CreateScheduleResponse:
    """Create a schedule whose id is made of this name."""
    request: dict[str, Any] = {
        "namespace": world.client.namespace,
        "schedule_id": world.unique(name),
        "schedule": what or schedule(world),
        "identity": "planner",
        "request_id": str(uuid4()),
    }
    return await world.client.workflow_service.create_schedule(
        CreateScheduleRequest(**{**request, **fields})
    )


async def describe(world: World, name: str = "schedule") -> DescribeScheduleResponse:
    """Describe a schedule."""
    return await world.client.workflow_service.describe_schedule(
        DescribeScheduleRequest(namespace=world.client.namespace, schedule_id=world.unique(name))
    )


async def until(
    world: World, reached: Callable[[DescribeScheduleResponse], bool], name: str = "schedule"
) -> DescribeScheduleResponse:
    """Wait until a schedule is described so: the real server does what is asked of it a bit later."""
    while True:
        description = await describe(world, name)
        if reached(description):
            return description
        await asyncio.sleep(0.05)


async def until_listed(
    world: World, reached: Callable[[ListSchedulesResponse], bool], query: str
) -> ListSchedulesResponse:
    """Wait until the schedules that a filter finds are listed so."""
    while True:
        page = await find(world, query)
        if reached(page):
            return page
        await asyncio.sleep(0.05)


async def find(world: World, query: str, **fields: Any) -> ListSchedulesResponse:
    """The schedules that a filter finds."""
    return await world.client.workflow_service.list_schedules(
        ListSchedulesRequest(namespace=world.client.namespace, query=query, **fields)
    )


async def patch(
    world: World, what: SchedulePatch, name: str = "schedule", request_id: str = ""
) -> None:
    """Patch a schedule."""
    await world.client.workflow_service.patch_schedule(
        PatchScheduleRequest(
            namespace=world.client.namespace,
            schedule_id=world.unique(name),
            patch=what,
            identity="planner",
            request_id=request_id or str(uuid4()),
        )
    )


async def trigger(world: World, name: str = "schedule", **fields: Any) -> None:
    """Have a schedule act now; `fields` are those of the request for it."""
    await patch(world, SchedulePatch(trigger_immediately=TriggerImmediatelyRequest(**fields)), name)


def backfill(start: str, end: str, **fields: Any) -> SchedulePatch:
    """A patch for the times from `start` to `end`."""
    request = BackfillRequest(start_time=instant(start), end_time=instant(end), **fields)
    return SchedulePatch(backfill_request=[request])


async def update(world: World, what: Schedule, name: str = "schedule", **fields: Any) -> None:
    """Replace a schedule."""
    await world.client.workflow_service.update_schedule(
        UpdateScheduleRequest(
            namespace=world.client.namespace,
            schedule_id=world.unique(name),
            schedule=what,
            identity="planner",
            **{"request_id": str(uuid4()), **fields},
        )
    )


async def delete(world: World, name: str = "schedule") -> None:
    """Delete a schedule."""
    await world.client.workflow_service.delete_schedule(
        DeleteScheduleRequest(namespace=world.client.namespace, schedule_id=world.unique(name))
    )


async def matching_times(
    world: World, start: Timestamp, end: Timestamp, name: str = "schedule"
) -> list[int]:
    """The times of a schedule's specification, in nanoseconds since the epoch."""
    response = await world.client.workflow_service.list_schedule_matching_times(
        ListScheduleMatchingTimesRequest(
            namespace=world.client.namespace,
            schedule_id=world.unique(name),
            start_time=start,
            end_time=end,
        )
    )
    return [each.ToNanoseconds() for each in response.start_time]


def started(description: DescribeScheduleResponse) -> list[Run]:
    """What a schedule has started of late, the oldest first."""
    results = [each.start_workflow_result for each in description.info.recent_actions]
    return [Run(each.workflow_id, each.run_id) for each in results]


def observe_schedule(world: World, label: str, description: DescribeScheduleResponse) -> None:
    """Note a description, and its conflict token in full."""
    world.observe(label, description)
    world.observe(f"{label}: token", description.conflict_token.hex())
