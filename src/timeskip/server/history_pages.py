"""Reading histories: in pages, backwards, only the close event, or waiting for news."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, HistoryEventFilterType
from temporalio.api.history.v1 import (
    History,
    HistoryEvent,
    WorkflowExecutionCompletedEventAttributes,
    WorkflowExecutionContinuedAsNewEventAttributes,
    WorkflowExecutionFailedEventAttributes,
    WorkflowExecutionTimedOutEventAttributes,
)
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
    GetWorkflowExecutionHistoryReverseRequest,
    GetWorkflowExecutionHistoryReverseResponse,
)

from timeskip.server import retries, tokens
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.errors import invalid_argument
from timeskip.server.history import History as RunHistory
from timeskip.server.history import attributes_of
from timeskip.server.rpcs import rpc
from timeskip.server.validation.executions import validate_execution

if TYPE_CHECKING:
    from timeskip.server.run import Run

HistoryRequest = GetWorkflowExecutionHistoryRequest | GetWorkflowExecutionHistoryReverseRequest

#: Events in one answer, unless the caller wants fewer.
PAGE_SIZE = 1000

#: Bytes in one answer: well below the 4 MiB at which gRPC clients refuse a message.
_PAGE_BYTES = 3_000_000

#: The feature of callers that look for the next run in the close event itself.
_FOLLOWS_NEXT_RUN = "follows-next-run-id"

_CLOSE_EVENT = HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT


@rpc("GetWorkflowExecutionHistory")
def get_history(
    cluster: Cluster, call: Call, request: GetWorkflowExecutionHistoryRequest
) -> GetWorkflowExecutionHistoryResponse | None:
    namespace = cluster.namespace(request.namespace)
    validate_execution(request)
    if request.next_page_token:
        run, first, waits = _continued(cluster, request)
    else:
        run, first, waits = cluster.run_of(namespace, request.execution), 1, request.wait_new_event
    return _Reading(cluster, call, request, run, first, waits).answer()


@rpc("GetWorkflowExecutionHistoryReverse")
def get_history_reverse(
    cluster: Cluster, call: Call, request: GetWorkflowExecutionHistoryReverseRequest
) -> GetWorkflowExecutionHistoryReverseResponse:
    namespace = cluster.namespace(request.namespace)
    validate_execution(request)
    if request.next_page_token:
        run_id, last = tokens.parse_page(request.next_page_token, (str, int))
        assert isinstance(run_id, str)
        assert isinstance(last, int)
        run = _run_of_token(cluster, request, run_id)
    else:
        run = cluster.run_of(namespace, request.execution)
        last = len(run.history.events)
    size = _page_size(request)
    first = max(last - size, 0)
    response = GetWorkflowExecutionHistoryReverseResponse(
        history=History(events=run.history.events[first:last][::-1])
    )
    if first:
        response.next_page_token = tokens.page(run.run_id, first)
    return response


class _Reading:
    """One reader of one run's history, from event `first` on."""

    def __init__(
        self,
        cluster: Cluster,
        call: Call,
        request: GetWorkflowExecutionHistoryRequest,
        run: Run,
        first: int,
        waits: bool,
    ) -> None:
        self.cluster = cluster
        self.call = call
        self.run = run
        self.first = first
        self.waits = waits
        self.only_close = request.history_event_filter_type == _CLOSE_EVENT
        self.size = _page_size(request)

    def answer(self) -> GetWorkflowExecutionHistoryResponse | None:
        if self.waits and self._goes_on and (self.only_close or not self._has_news()):
            self.cluster.time_waits[self.call] = self.run
            self.call.on_cancel = self._forget
            self.call.on_expiry = self._expire
            self.run.on_news.append(self._on_news)
            return None
        return self._page()

    @property
    def _goes_on(self) -> bool:
        """Whether the reader is to wait for more."""
        return self.run.is_open and not (self.run.is_paused and self.cluster.pauses_end_histories)

    def _has_news(self) -> bool:
        return self.first <= len(self.run.history.events)

    def _on_news(self) -> None:
        if self.call.answered or self.call not in self.cluster.time_waits:
            return
        if self._goes_on and (self.only_close or not self._has_news()):
            self.run.on_news.append(self._on_news)
            return
        self._forget()
        self.call.respond(self._page())

    def _expire(self) -> None:
        self._forget()
        self.call.respond(
            GetWorkflowExecutionHistoryResponse(
                history=History(), next_page_token=self._token(self.first)
            )
        )

    def _forget(self) -> None:
        self.cluster.time_waits.pop(self.call, None)

    def _page(self) -> GetWorkflowExecutionHistoryResponse:
        events = self.run.history.events
        if self.only_close:
            if self._goes_on and self.waits:
                return GetWorkflowExecutionHistoryResponse(
                    history=History(), next_page_token=self._token(self.first)
                )
            if self.run.is_open and not self.run.is_paused:
                return GetWorkflowExecutionHistoryResponse(history=History())
            return GetWorkflowExecutionHistoryResponse(
                history=History(events=[self._followed(events[-1])])
            )
        shown = _cut(self.run.history, self.first, self.size)
        following = self.first + len(shown)
        response = GetWorkflowExecutionHistoryResponse()
        if following <= len(events) or (self.waits and self._goes_on):
            response.next_page_token = self._token(following)
        elif self.run.workflow_task is not None:
            # Readers that do not wait are shown the task that is being tried again, too.
            shown = shown + self.run.workflow_task.unwritten_events(for_worker=False)
        response.history.events.extend(shown)
        return response

    def _followed(self, close_event: HistoryEvent) -> HistoryEvent:
        """The close event as the caller understands it.

        Callers that do not know that a run which completed, failed or timed out may have a next run
        are told that it continued as new.
        """
        attributes = attributes_of(close_event)
        if _FOLLOWS_NEXT_RUN in self.call.features:
            return close_event
        continued = WorkflowExecutionContinuedAsNewEventAttributes()
        if isinstance(attributes, WorkflowExecutionCompletedEventAttributes):
            if attributes.HasField("result"):
                continued.last_completion_result.CopyFrom(attributes.result)
        elif isinstance(attributes, WorkflowExecutionFailedEventAttributes):
            continued.failure.CopyFrom(attributes.failure)
        elif isinstance(attributes, WorkflowExecutionTimedOutEventAttributes):
            continued.failure.CopyFrom(retries.workflow_timeout())
        else:
            return close_event
        if not attributes.new_execution_run_id:
            return close_event
        continued.new_execution_run_id = attributes.new_execution_run_id
        return HistoryEvent(
            event_id=close_event.event_id,
            event_time=close_event.event_time,
            event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
            task_id=close_event.task_id,
            workflow_execution_continued_as_new_event_attributes=continued,
        )

    def _token(self, first: int) -> bytes:
        return tokens.page(self.run.run_id, first, int(self.waits))


def task_page(run: Run, first: int, suffix: list[HistoryEvent]) -> tuple[list[HistoryEvent], bytes]:
    """The part of the history that goes with a workflow task, and the token for the rest.

    `suffix` holds events that the worker is to see although they are not written; a worker that has to
    page gets them only through its next workflow task, as on the real server.
    """
    events = run.history.events
    shown = _cut(run.history, first, PAGE_SIZE)
    following = first + len(shown)
    if following <= len(events):
        return shown, tokens.page(run.run_id, following, 0)
    return shown + suffix, b""


def _cut(history: RunHistory, first: int, size: int) -> list[HistoryEvent]:
    shown = history.events[first - 1 : first - 1 + size]
    if history.size_bytes <= _PAGE_BYTES:
        return shown
    total = 0
    for index, event in enumerate(shown):
        total += event.ByteSize()
        if total > _PAGE_BYTES and index:
            return shown[:index]
    return shown


def _page_size(request: HistoryRequest) -> int:
    return request.maximum_page_size if request.maximum_page_size > 0 else PAGE_SIZE


def _continued(
    cluster: Cluster, request: GetWorkflowExecutionHistoryRequest
) -> tuple[Run, int, bool]:
    run_id, first, waits = tokens.parse_page(request.next_page_token, (str, int, int))
    assert isinstance(run_id, str)
    assert isinstance(first, int)
    run = _run_of_token(cluster, request, run_id)
    return run, first, bool(waits) and request.wait_new_event


def _run_of_token(cluster: Cluster, request: HistoryRequest, run_id: str) -> Run:
    """The run whose history the token continues, which is the one that the request names."""
    if request.execution.run_id not in ("", run_id):
        raise invalid_argument("RunId in the request does not match the NextPageToken.")
    execution = WorkflowExecution(workflow_id=request.execution.workflow_id, run_id=run_id)
    return cluster.run_of(cluster.namespace(request.namespace), execution)
