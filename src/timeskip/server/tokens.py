"""Task tokens and page tokens: what a worker or a client hands back to continue.

Opaque to everybody else. A token names the exact attempt that it was given for, so an answer that
comes too late is recognised as stale.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from timeskip.server.errors import ServiceError, invalid_argument

if TYPE_CHECKING:
    from timeskip.server.activities import Activity
    from timeskip.server.run import Run
    from timeskip.server.workflow_tasks import WorkflowTask

#: A byte that UTF-8 has no use for, and what stands for it in text.
_SEPARATOR = b"\xff"
_SEPARATOR_IN_TEXT = "\udcff"

_TASK = "task"
_QUERY = "query"
_NEXUS = "nexus"
_PAGE = "page"

#: How a part of a token is read.
_READERS: dict[type, Callable[[bytes], Any]] = {str: bytes.decode, int: int}


class TaskToken(NamedTuple):
    """One attempt of a workflow task or of an activity.

    `started_event_id` is 0 for an activity, whose started event is written when it is over.
    """

    namespace: str
    workflow_id: str
    run_id: str
    scheduled_event_id: int
    started_event_id: int
    attempt: int
    started_time: int


class QueryTaskToken(NamedTuple):
    """A query that is a task of its own."""

    namespace: str
    query_id: str


class NexusTaskToken(NamedTuple):
    """One attempt to have a Nexus operation started or cancelled."""

    namespace: str
    task_id: str


def workflow_task(run: Run, task: WorkflowTask) -> bytes:
    return _encode(
        _TASK,
        run.namespace.name,
        run.workflow_id,
        run.run_id,
        task.scheduled_event_id,
        task.started_event_id,
        task.attempt,
        task.started_time,
    )


def activity_task(activity: Activity) -> bytes:
    run = activity.run
    return _encode(
        _TASK,
        run.namespace.name,
        run.workflow_id,
        run.run_id,
        activity.scheduled_event_id,
        0,
        activity.attempt,
        activity.started_time,
    )


def query_task(run: Run, query_id: str) -> bytes:
    return _encode(_QUERY, run.namespace.name, query_id)


def nexus_task(namespace: str, task_id: str) -> bytes:
    return _encode(_NEXUS, namespace, task_id)


def parse_nexus_task(token: bytes) -> NexusTaskToken:
    """The token of a Nexus task, or INVALID_ARGUMENT."""
    return NexusTaskToken(*_decode(_NEXUS, token, (str, str)))


# Each is read several times, within a short while.
@lru_cache(maxsize=256)
def parse_task(token: bytes) -> TaskToken:
    """The token of a workflow task or of an activity, or INVALID_ARGUMENT."""
    return TaskToken(*_decode(_TASK, token, (str, str, str, int, int, int, int)))


def parse_query_task(token: bytes) -> QueryTaskToken:
    """The token of a query, or INVALID_ARGUMENT."""
    return QueryTaskToken(*_decode(_QUERY, token, (str, str)))


def page(*parts: str | int) -> bytes:
    """A token for the next page of a listing."""
    return _encode(_PAGE, *parts)


def parse_page(token: bytes, shape: tuple[type, ...]) -> tuple[object, ...]:
    """The parts of a page token, or INVALID_ARGUMENT if it is not one of ours."""
    try:
        return tuple(_decode(_PAGE, token, shape))
    except ServiceError:
        raise invalid_argument("Invalid NextPageToken.") from None


def _encode(*parts: str | int) -> bytes:
    # The last part is empty: a token that has lost its end is none.
    return _SEPARATOR_IN_TEXT.join([*map(str, parts), ""]).encode(errors="surrogateescape")


def _decode(kind: str, token: bytes, shape: tuple[type, ...]) -> list[Any]:
    first, *parts = token.split(_SEPARATOR)
    if first == kind.encode() and len(parts) == len(shape) + 1 and not parts.pop():
        try:
            return [_READERS[each](part) for each, part in zip(shape, parts, strict=True)]
        except ValueError:
            pass  # anybody may send anything
    raise invalid_argument("Error deserializing task token.")
