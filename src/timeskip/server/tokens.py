"""Task tokens and page tokens: what a worker or a client hands back to continue.

Opaque to everybody else. A token names the exact attempt that it was given for, so an answer that
comes too late is recognised as stale.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from timeskip.server.errors import ServiceError, invalid_argument

if TYPE_CHECKING:
    from timeskip.server.activities import Activity
    from timeskip.server.run import Run
    from timeskip.server.workflow_tasks import WorkflowTask

_WORKFLOW_TASK = "wt"
_ACTIVITY_TASK = "at"
_QUERY_TASK = "qt"


@dataclass(frozen=True)
class WorkflowTaskToken:
    run_id: str
    scheduled_event_id: int
    started_event_id: int
    attempt: int
    started_time: int


@dataclass(frozen=True)
class ActivityTaskToken:
    """`scheduled_event_id` and `attempt` name one attempt of one activity of one run."""

    run_id: str
    scheduled_event_id: int
    attempt: int
    started_time: int


@dataclass(frozen=True)
class QueryTaskToken:
    query_id: str


def workflow_task(run: Run, task: WorkflowTask) -> bytes:
    return _encode(
        _WORKFLOW_TASK,
        run.run_id,
        task.scheduled_event_id,
        task.started_event_id,
        task.attempt,
        task.started_time,
    )


def activity_task(activity: Activity) -> bytes:
    return _encode(
        _ACTIVITY_TASK,
        activity.run.run_id,
        activity.scheduled_event_id,
        activity.attempt,
        activity.started_time,
    )


def query_task(query_id: str) -> bytes:
    return _encode(_QUERY_TASK, query_id)


def parse_workflow_task(token: bytes) -> WorkflowTaskToken:
    run_id, scheduled, started, attempt, time = _decode(
        _WORKFLOW_TASK, token, (str, int, int, int, int)
    )
    return WorkflowTaskToken(run_id, scheduled, started, attempt, time)


def parse_activity_task(token: bytes) -> ActivityTaskToken:
    run_id, scheduled, attempt, time = _decode(_ACTIVITY_TASK, token, (str, int, int, int))
    return ActivityTaskToken(run_id, scheduled, attempt, time)


def parse_query_task(token: bytes) -> QueryTaskToken:
    (query_id,) = _decode(_QUERY_TASK, token, (str,))
    return QueryTaskToken(query_id)


def page(*parts: str | int) -> bytes:
    """A token for the next page of a listing."""
    return _encode("page", *parts)


def parse_page(token: bytes, shape: tuple[type, ...]) -> tuple[object, ...]:
    """The parts of a page token, or INVALID_ARGUMENT if it is not one of ours."""
    try:
        return tuple(_decode("page", token, shape))
    except ServiceError:
        raise invalid_argument("Invalid NextPageToken.") from None


def _encode(kind: str, *parts: str | int) -> bytes:
    return json.dumps((kind, *parts), separators=(",", ":")).encode()


def _decode(kind: str, token: bytes, shape: tuple[type, ...]) -> list:  # type: ignore[type-arg]
    try:
        parts = json.loads(token)
    except ValueError:
        parts = None
    if (
        not isinstance(parts, list)
        or len(parts) != len(shape) + 1
        or parts[0] != kind
        or not all(type(part) is wanted for part, wanted in zip(parts[1:], shape, strict=True))
    ):
        raise invalid_argument("Error deserializing task token.")
    return parts[1:]
