"""The part of a run's history that a workflow task brings, or that has to be fetched for it."""

from __future__ import annotations

from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
    PollWorkflowTaskQueueResponse,
)

from timeskip.lanes.direct.requests import Requests


class HistoryIncompleteError(Exception):
    """The server has less history than the task that it gave out."""


def events_for(
    requests: Requests, namespace: str, task: PollWorkflowTaskQueueResponse, *, is_cached: bool
) -> list[HistoryEvent]:
    """All events that the task is about: those since the last task, or all if it is not cached.

    Raises `ServiceError` if the server refuses, and `HistoryIncompleteError` if it has too few.
    """
    events = list(task.history.events)
    token = task.next_page_token
    if not is_cached and (not events or events[0].event_id > 1):
        brought, events = events, []
        page = _page(requests, namespace, task, b"")
        events += page.history.events
        token = page.next_page_token
    else:
        brought = []
    while token:
        page = _page(requests, namespace, task, token)
        events += page.history.events
        token = page.next_page_token
    last = events[-1].event_id if events else 0
    events += [event for event in brought if event.event_id > last]
    is_needed = not is_cached or bool(events)
    if is_needed and (not events or events[-1].event_id < task.started_event_id):
        raise HistoryIncompleteError("the history ends before the task that was given out")
    return events


def _page(
    requests: Requests, namespace: str, task: PollWorkflowTaskQueueResponse, token: bytes
) -> GetWorkflowExecutionHistoryResponse:
    return requests.ask(
        "GetWorkflowExecutionHistory",
        GetWorkflowExecutionHistoryRequest(
            namespace=namespace,
            execution=task.workflow_execution,
            next_page_token=token,
        ),
        GetWorkflowExecutionHistoryResponse,
    )
