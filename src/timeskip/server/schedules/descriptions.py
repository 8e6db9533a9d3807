"""Schedules as descriptions and listings show them."""

from __future__ import annotations

import struct
from typing import Final

from temporalio.api.schedule.v1 import ScheduleListEntry, ScheduleListInfo
from temporalio.api.workflowservice.v1 import DescribeScheduleResponse

from timeskip.server.schedules.schedule import Schedule
from timeskip.server.schedules.spec import with_defaults

_DESCRIBED_TIMES: Final = 10
_LISTED_TIMES: Final = 5
_LISTED_ACTIONS: Final = 5

#: As many calendars and intervals as listings show.
_LISTED_PARTS: Final = 10


def conflict_token(schedule: Schedule) -> bytes:
    """What an update brings along that is not to overwrite another one."""
    return struct.pack(">q", schedule.conflict_token)


def described(schedule: Schedule) -> DescribeScheduleResponse:
    response = DescribeScheduleResponse(
        schedule=schedule.schedule,
        info=schedule.info,
        conflict_token=conflict_token(schedule),
    )
    response.schedule.spec.CopyFrom(with_defaults(schedule.schedule.spec))
    response.info.buffer_size = schedule.waiting
    for time in schedule.future_times(_DESCRIBED_TIMES):
        response.info.future_action_times.add().FromNanoseconds(time)
    for name, payload in schedule.memo.items():
        response.memo.fields[name].CopyFrom(payload)
    for name, payload in schedule.search_attributes.items():
        response.search_attributes.indexed_fields[name].CopyFrom(payload)
    return response


def listed(schedule: Schedule) -> ScheduleListEntry:
    state = schedule.schedule.state
    info = ScheduleListInfo(
        spec=with_defaults(schedule.schedule.spec),
        notes=state.notes,
        paused=state.paused,
        recent_actions=schedule.info.recent_actions[-_LISTED_ACTIONS:],
    )
    info.spec.ClearField("timezone_data")
    for parts in (
        info.spec.structured_calendar,
        info.spec.exclude_structured_calendar,
        info.spec.interval,
    ):
        del parts[_LISTED_PARTS:]
    if schedule.schedule.action.start_workflow.HasField("workflow_type"):
        info.workflow_type.CopyFrom(schedule.schedule.action.start_workflow.workflow_type)
    for time in schedule.future_times(_LISTED_TIMES):
        info.future_action_times.add().FromNanoseconds(time)
    entry = ScheduleListEntry(schedule_id=schedule.id, info=info)
    entry.memo.SetInParent()
    for name, payload in schedule.memo.items():
        entry.memo.fields[name].CopyFrom(payload)
    for name, payload in schedule.search_attributes.items():
        entry.search_attributes.indexed_fields[name].CopyFrom(payload)
    return entry
