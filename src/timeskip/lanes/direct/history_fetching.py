"""The part of a run's history that a workflow task brings, or that has to be fetched for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
    PollWorkflowTaskQueueResponse,
)

from timeskip.lanes.direct.requests import Requests
from timeskip.server.calls import Answer
from timeskip.server.errors import ServiceError


class HistoryIncompleteError(Exception):
    """The server has less history than the task that it gave out."""


Fetched: TypeAlias = list[HistoryEvent] | ServiceError | HistoryIncompleteError
"""All events that a task is about; or what the server refuses with, or that it has too few."""


class HistoryFetch:
    """Gets all events that a task is about: those since the last task, or all if it is not cached."""

    def __init__(
        self,
        requests: Requests,
        namespace: str,
        task: PollWorkflowTaskQueueResponse,
        *,
        is_cached: bool,
    ) -> None:
        self._requests = requests
        self._namespace = namespace
        self._task = task
        self._is_cached = is_cached
        events = list(task.history.events)
        begins_late = not is_cached and (not events or events[0].event_id > 1)
        self._events, self._brought = ([], events) if begins_late else (events, [])
        #: Of the next page; None if there is none.
        self._token = b"" if begins_late else task.next_page_token or None

    def begin(self, deliver: Callable[[Fetched], None]) -> None:
        """Deliver the events before this returns, unless a fault delays a page of them."""
        while self._token is not None:
            pages: list[Answer] = []
            is_at_once = True

            def take(page: Answer) -> None:
                if is_at_once:  # noqa: B023 - it changes before the next round
                    pages.append(page)  # noqa: B023 - the same
                elif self._takes(page, deliver):
                    self.begin(deliver)

            self._requests.send(
                "GetWorkflowExecutionHistory",
                GetWorkflowExecutionHistoryRequest(
                    namespace=self._namespace,
                    execution=self._task.workflow_execution,
                    next_page_token=self._token,
                ),
                take,
            )
            is_at_once = False
            if not pages or not self._takes(pages[0], deliver):
                return
        deliver(self._whole())

    def _takes(self, page: Answer, deliver: Callable[[Fetched], None]) -> bool:
        """Add a page; False if it is none, which is delivered."""
        if isinstance(page, ServiceError):
            deliver(page)
            return False
        assert isinstance(page, GetWorkflowExecutionHistoryResponse)
        self._events += page.history.events
        self._token = page.next_page_token or None
        return True

    def _whole(self) -> Fetched:
        events = self._events
        last = events[-1].event_id if events else 0
        events += [event for event in self._brought if event.event_id > last]
        is_needed = not self._is_cached or bool(events)
        if is_needed and (not events or events[-1].event_id < self._task.started_event_id):
            return HistoryIncompleteError("the history ends before the task that was given out")
        return events
