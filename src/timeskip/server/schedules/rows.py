"""Schedules in the table that list filters are asked of: each as the workflow that it is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import WorkflowExecutionStatus

from timeskip.server.visibility.store import Kind, attribute_rows

if TYPE_CHECKING:
    from timeskip.server.schedules.schedule import Schedule

WORKFLOW_ID_PREFIX: Final = "temporal-sys-scheduler:"
"""The real server's schedules are workflows whose ids are this and their own."""

_WORKFLOW_TYPE: Final = "temporal-sys-scheduler-workflow"
_TASK_QUEUE: Final = "temporal-sys-per-ns-tq"


def _version(schedule: Schedule) -> int:
    return schedule.changes


def _row(schedule: Schedule) -> tuple[object, ...]:
    created = schedule.info.create_time.ToMicroseconds()
    workflow_id = WORKFLOW_ID_PREFIX + schedule.id
    return (
        schedule.run_id,
        schedule.namespace.name,
        workflow_id,
        _WORKFLOW_TYPE,
        _TASK_QUEUE,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING,
        created,
        created,
        None,
        None,
        workflow_id,
        schedule.run_id,
        None,
        None,
        None,
        None,
        None,
        schedule.place,
        0,
    )


def _attributes(schedule: Schedule) -> Iterator[tuple[str, str, object]]:
    yield schedule.run_id, "TemporalSchedulePaused", schedule.is_paused
    yield from attribute_rows(
        schedule.run_id, schedule.search_attributes, schedule.namespace.search_attributes
    )


SCHEDULES: Final[Kind[Schedule]] = Kind(_version, _row, _attributes)
