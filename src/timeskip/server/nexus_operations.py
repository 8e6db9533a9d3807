"""Nexus operations of a workflow: scheduling, attempts to start them, timeouts, results.

An operation is started by a request to the workers of its endpoint. Either they answer with its
result, or with a token; then the result comes later, by a callback (`completion_callbacks`). Only
what the workflow has to know of this is in its history: attempts that failed are not.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from temporalio.api.command.v1 import ScheduleNexusOperationCommandAttributes
from temporalio.api.common.v1 import Link, Payload
from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.api.enums.v1 import PendingNexusOperationState as State
from temporalio.api.failure.v1 import Failure, NexusOperationFailureInfo, TimeoutFailureInfo
from temporalio.api.history.v1 import (
    HistoryEvent,
    NexusOperationCanceledEventAttributes,
    NexusOperationCompletedEventAttributes,
    NexusOperationFailedEventAttributes,
    NexusOperationScheduledEventAttributes,
    NexusOperationStartedEventAttributes,
    NexusOperationTimedOutEventAttributes,
)
from temporalio.api.nexus.v1 import Endpoint, Request, StartOperationRequest, StartOperationResponse

from timeskip.clock import SECOND, DueTime, Nanoseconds
from timeskip.server import (
    callback_tokens,
    nexus_endpoints,
    nexus_failures,
    nexus_links,
    nexus_tasks,
    workflow_tasks,
)
from timeskip.server.applied_events import applies
from timeskip.server.history import scheduled_event_id_of
from timeskip.server.set_fields import copy_set
from timeskip.server.validation.callbacks import SYSTEM_URL
from timeskip.server.validation.limits import MAX_PAYLOAD_SIZE

if TYPE_CHECKING:
    from timeskip.server.nexus_cancellations import NexusCancellation
    from timeskip.server.run import Run

_SCHEDULE_TO_CLOSE = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
_SCHEDULE_TO_START = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START
_START_TO_CLOSE = TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE

#: How long one request may take.
REQUEST_TIMEOUT: Nanoseconds = 10 * SECOND

#: If less than this is left for an operation, no request is made for it.
_SHORTEST_REQUEST: Nanoseconds = 1_500 * SECOND // 1_000

_FIRST_RETRY: Nanoseconds = SECOND
_LONGEST_RETRY: Nanoseconds = 3_600 * SECOND

#: What a handler is given if the workflow gives nothing.
NOTHING = Payload(metadata={"encoding": b"binary/null"})


class NexusOperation:
    """An operation that is scheduled or under way. `attempt` counts those that have been answered."""

    __slots__ = (
        "attempt",
        "cancellation",
        "dues",
        "event",
        "last_attempt_complete_time",
        "last_failure",
        "retry_due",
        "run",
        "scheduled",
        "started_time",
        "state",
        "token",
        "untaken",
    )

    def __init__(self, run: Run, event: HistoryEvent) -> None:
        self.run = run
        self.event = event
        self.scheduled = event.nexus_operation_scheduled_event_attributes
        self.state = State.PENDING_NEXUS_OPERATION_STATE_SCHEDULED
        self.attempt = 0
        #: How many requests in a row no worker has taken.
        self.untaken = 0
        self.last_attempt_complete_time: Nanoseconds | None = None
        self.last_failure: Failure | None = None
        self.retry_due: DueTime | None = None
        #: What the handler calls the operation, once it has begun.
        self.token = ""
        self.started_time: Nanoseconds | None = None
        self.dues: dict[TimeoutType.ValueType, DueTime] = {}
        self.cancellation: NexusCancellation | None = None

    @property
    def scheduled_event_id(self) -> int:
        return self.event.event_id

    @property
    def scheduled_time(self) -> Nanoseconds:
        return self.event.event_time.ToNanoseconds()

    @property
    def name(self) -> str:
        """Service and operation, as people know it."""
        return f"{self.scheduled.service}/{self.scheduled.operation}"

    @property
    def is_pending(self) -> bool:
        """Whether its run is open and it is not over yet."""
        run = self.run
        return run.is_open and run.nexus_operations.get(self.scheduled_event_id) is self

    @property
    def is_started(self) -> bool:
        return self.started_time is not None

    def forget(self) -> None:
        """It is over: no timeout fires and nothing is tried again."""
        for due in self.dues.values():
            due.cancel()
        if self.retry_due is not None:
            self.retry_due.cancel()
        if self.cancellation is not None:
            self.cancellation.forget()

    def wait_for(
        self, timeout_type: TimeoutType.ValueType, since: Nanoseconds, limit: Nanoseconds
    ) -> None:
        """Set the deadline of one timeout; a limit of 0 means none."""
        if limit:
            self.dues[timeout_type] = self.run.cluster.clock.schedule(
                since + limit, lambda: _time_out(self, timeout_type)
            )

    def answered(self, failure: Failure | None = None) -> None:
        """An attempt is over."""
        self.attempt += 1
        self.last_attempt_complete_time = self.run.cluster.clock.now()
        self.last_failure = failure

    def endpoint(self) -> Endpoint | None:
        """Where its handler is; None if there is no such endpoint any more."""
        cluster = self.run.cluster
        found = cluster.nexus_endpoints.get(self.scheduled.endpoint_id)
        return found or nexus_endpoints.endpoint_named(cluster, self.scheduled.endpoint)

    def time_left(self) -> tuple[Nanoseconds, TimeoutType.ValueType | None]:
        """How long one request may take by now, and which timeout of the operation says so."""
        now = self.run.cluster.clock.now()
        timeouts = (_SCHEDULE_TO_CLOSE, _SCHEDULE_TO_START)
        left = [(self.dues[each].when - now, each) for each in timeouts if each in self.dues]
        shortest = min(left, default=None)
        if shortest is None or shortest[0] >= REQUEST_TIMEOUT:
            return REQUEST_TIMEOUT, None
        return shortest


def schedule(
    run: Run, attributes: ScheduleNexusOperationCommandAttributes, completed_id: int
) -> HistoryEvent:
    """Write that an operation is wanted; its handler is asked once the workflow task is dealt with."""
    endpoint = nexus_endpoints.endpoint_named(run.cluster, attributes.endpoint)
    assert endpoint is not None
    scheduled = NexusOperationScheduledEventAttributes(
        endpoint=attributes.endpoint,
        endpoint_id=endpoint.id,
        service=attributes.service,
        operation=attributes.operation,
        nexus_header=attributes.nexus_header,
        request_id=run.cluster.ids.uuid(),
        workflow_task_completed_event_id=completed_id,
    )
    copy_set(
        attributes,
        scheduled,
        "input",
        "schedule_to_close_timeout",
        "schedule_to_start_timeout",
        "start_to_close_timeout",
    )
    event = run.add(EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED, scheduled)
    _invoke_soon(run.nexus_operations[event.event_id])
    return event


def resume(operation: NexusOperation) -> None:
    """Go on with an operation that a reset has brought back."""
    if not operation.is_started:
        _invoke_soon(operation)


def complete(
    operation: NexusOperation,
    operation_token: str,
    started_time: Nanoseconds,
    links: list[Link],
    result: Payload | Failure,
    *,
    is_canceled: bool,
) -> None:
    """The operation that went on elsewhere has ended, perhaps before its start was answered."""
    if not operation.is_started:
        event = _write_started(operation, operation_token, links)
        event.event_time.FromNanoseconds(started_time)
    if isinstance(result, Payload):
        _write_completed(operation, result, [])
    elif is_canceled:
        _write_canceled(operation, result)
    else:
        _write_failed(operation, result)
    _tell(operation.run)


@applies(EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED)
def _open(run: Run, event: HistoryEvent) -> None:
    operation = NexusOperation(run, event)
    run.nexus_operations[event.event_id] = operation
    scheduled = operation.scheduled
    since = operation.scheduled_time
    operation.wait_for(
        _SCHEDULE_TO_CLOSE, since, scheduled.schedule_to_close_timeout.ToNanoseconds()
    )
    operation.wait_for(
        _SCHEDULE_TO_START, since, scheduled.schedule_to_start_timeout.ToNanoseconds()
    )


@applies(EventType.EVENT_TYPE_NEXUS_OPERATION_STARTED)
def _note_start(run: Run, event: HistoryEvent) -> None:
    operation = run.nexus_operations[scheduled_event_id_of(event)]
    operation.answered()
    operation.state = State.PENDING_NEXUS_OPERATION_STATE_STARTED
    operation.token = event.nexus_operation_started_event_attributes.operation_token
    operation.started_time = event.event_time.ToNanoseconds()
    if operation.retry_due is not None:
        operation.retry_due.cancel()
    due = operation.dues.pop(_SCHEDULE_TO_START, None)
    if due is not None:
        due.cancel()
    operation.wait_for(
        _START_TO_CLOSE,
        operation.started_time,
        operation.scheduled.start_to_close_timeout.ToNanoseconds(),
    )
    if operation.cancellation is not None:
        operation.cancellation.begin()


@applies(
    EventType.EVENT_TYPE_NEXUS_OPERATION_COMPLETED,
    EventType.EVENT_TYPE_NEXUS_OPERATION_FAILED,
    EventType.EVENT_TYPE_NEXUS_OPERATION_CANCELED,
    EventType.EVENT_TYPE_NEXUS_OPERATION_TIMED_OUT,
)
def _close(run: Run, event: HistoryEvent) -> None:
    run.nexus_operations.pop(scheduled_event_id_of(event)).forget()


# -- asking the handler -------------------------------------------------------------------------


def _invoke_soon(operation: NexusOperation) -> None:
    operation.run.cluster.transfers.add(partial(_invoke, operation))


def _invoke(operation: NexusOperation) -> None:
    """Ask the workers of the endpoint to start the operation."""
    if not _is_wanted(operation):
        return
    endpoint = operation.endpoint()
    if endpoint is None:
        _fail(operation, nexus_failures.handler_failure("NOT_FOUND", "endpoint not registered"))
        return
    timeout, timeout_type = operation.time_left()
    if timeout_type is not None and timeout < _SHORTEST_REQUEST:
        _time_out(operation, timeout_type)
    elif endpoint.spec.target.HasField("worker"):
        # Nothing outside of a simulation is ever called.
        task = nexus_tasks.NexusTask(operation, _request(operation), partial(_answered, operation))
        nexus_tasks.offer(task, endpoint.spec.target.worker, timeout)


def _is_wanted(operation: NexusOperation) -> bool:
    """Whether the handler still has to be asked, or its answer is of any use."""
    return operation.is_pending and not operation.is_started and not operation.run.stands_still


def _request(operation: NexusOperation) -> Request:
    scheduled = operation.scheduled
    link = nexus_links.to_nexus(
        Link.WorkflowEvent(
            namespace=operation.run.namespace.name,
            workflow_id=operation.run.workflow_id,
            run_id=operation.run.run_id,
            event_ref=Link.WorkflowEvent.EventReference(
                event_id=operation.scheduled_event_id, event_type=operation.event.event_type
            ),
        )
    )
    header = {
        "nexus-request-id": scheduled.request_id,
        "nexus-link": f'<{link.url}>; type="{link.type}"',
        "user-agent": "temporalio/server",
        **_operation_timeout(operation),
        **scheduled.nexus_header,
    }
    return Request(
        header=header,
        endpoint=scheduled.endpoint,
        capabilities=Request.Capabilities(temporal_failure_responses=True),
        start_operation=StartOperationRequest(
            service=scheduled.service,
            operation=scheduled.operation,
            request_id=scheduled.request_id,
            callback=SYSTEM_URL,
            callback_header=callback_tokens.header_of(operation),
            payload=scheduled.input if scheduled.HasField("input") else NOTHING,
            links=[link],
        ),
    )


def _operation_timeout(operation: NexusOperation) -> dict[str, str]:
    """The header that tells a handler how long the whole operation may take, if that is limited."""
    scheduled = operation.scheduled
    limits = [
        limit
        for limit in (
            scheduled.schedule_to_close_timeout.ToNanoseconds(),
            scheduled.start_to_close_timeout.ToNanoseconds(),
        )
        if limit
    ]
    if not limits:
        return {}
    spent = operation.run.cluster.clock.now() - operation.scheduled_time
    return {"operation-timeout": f"{(min(limits) - spent) * 1_000 // SECOND}ms"}


def _answered(operation: NexusOperation, outcome: nexus_tasks.Outcome) -> None:
    """The handler has answered, or nobody has in time."""
    if not _is_wanted(operation):
        return
    if isinstance(outcome, Failure):
        _attempt_failed(operation, outcome)
        return
    response = outcome.start_operation
    variant = response.WhichOneof("variant")
    if variant == "sync_success":
        sync = response.sync_success
        if sync.payload.ByteSize() > MAX_PAYLOAD_SIZE:
            _fail(operation, nexus_failures.of_call("http: response body too large"))
            return
        result = sync.payload if sync.HasField("payload") else NOTHING
        _write_completed(operation, result, nexus_links.from_nexus(sync.links))
        _tell(operation.run)
    elif variant == "async_success":
        started = response.async_success
        token = started.operation_token or started.operation_id
        _write_started(operation, token, nexus_links.from_nexus(started.links))
        _tell(operation.run)
    else:
        _answered_with_failure(operation, response)


def _answered_with_failure(operation: NexusOperation, response: StartOperationResponse) -> None:
    """The operation has not succeeded, as its handler says, or the answer is none."""
    error = response.operation_error
    if response.HasField("failure"):
        failure = response.failure
    elif response.HasField("operation_error") and error.operation_state in ("failed", "canceled"):
        failure = nexus_failures.of_operation_error(error)
    else:
        message = "" if response.HasField("operation_error") else "empty outcome"
        _attempt_failed(operation, nexus_failures.handler_failure("INTERNAL", message))
        return
    if failure.HasField("canceled_failure_info"):
        _write_canceled(operation, failure)
        _tell(operation.run)
    else:
        _fail(operation, failure)


def _attempt_failed(operation: NexusOperation, failure: Failure) -> None:
    """Ask again after a while, if that may help."""
    if not nexus_failures.is_retryable(failure):
        _fail(operation, failure)
        return
    operation.answered(failure)
    operation.state = State.PENDING_NEXUS_OPERATION_STATE_BACKING_OFF
    clock = operation.run.cluster.clock
    operation.retry_due = clock.schedule(
        clock.now() + retry_interval(operation.attempt), lambda: _retry(operation)
    )
    for observer in operation.run.cluster.observers:
        observer.nexus_attempt_failed(operation, failure)


def retry_interval(attempt: int) -> Nanoseconds:
    """How long to wait after so many failed attempts. The real server waits up to a fifth less."""
    return min(_FIRST_RETRY << min(attempt - 1, 32), _LONGEST_RETRY)


def _retry(operation: NexusOperation) -> None:
    operation.retry_due = None
    operation.state = State.PENDING_NEXUS_OPERATION_STATE_SCHEDULED
    _invoke_soon(operation)


# -- what the history tells ---------------------------------------------------------------------


def _write_started(operation: NexusOperation, token: str, links: list[Link]) -> HistoryEvent:
    event = operation.run.add(
        EventType.EVENT_TYPE_NEXUS_OPERATION_STARTED,
        NexusOperationStartedEventAttributes(
            scheduled_event_id=operation.scheduled_event_id,
            operation_id=token,
            operation_token=token,
            request_id=operation.scheduled.request_id,
        ),
    )
    event.links.extend(links)
    return event


def _write_completed(operation: NexusOperation, result: Payload, links: list[Link]) -> None:
    event = operation.run.add(
        EventType.EVENT_TYPE_NEXUS_OPERATION_COMPLETED,
        NexusOperationCompletedEventAttributes(
            scheduled_event_id=operation.scheduled_event_id,
            result=result,
            request_id=operation.scheduled.request_id,
        ),
    )
    event.links.extend(links)


def _write_failed(operation: NexusOperation, cause: Failure) -> None:
    operation.run.add(
        EventType.EVENT_TYPE_NEXUS_OPERATION_FAILED,
        NexusOperationFailedEventAttributes(
            scheduled_event_id=operation.scheduled_event_id,
            failure=_failure(operation, cause),
            request_id=operation.scheduled.request_id,
        ),
    )


def _write_canceled(operation: NexusOperation, cause: Failure) -> None:
    operation.run.add(
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCELED,
        NexusOperationCanceledEventAttributes(
            scheduled_event_id=operation.scheduled_event_id,
            failure=_failure(operation, cause),
            request_id=operation.scheduled.request_id,
        ),
    )


def _fail(operation: NexusOperation, cause: Failure) -> None:
    _write_failed(operation, cause)
    _tell(operation.run)


def _time_out(operation: NexusOperation, timeout_type: TimeoutType.ValueType) -> None:
    cause = Failure(
        message="operation timed out",
        timeout_failure_info=TimeoutFailureInfo(timeout_type=timeout_type),
    )
    operation.run.add(
        EventType.EVENT_TYPE_NEXUS_OPERATION_TIMED_OUT,
        NexusOperationTimedOutEventAttributes(
            scheduled_event_id=operation.scheduled_event_id,
            failure=_failure(operation, cause),
            request_id=operation.scheduled.request_id,
        ),
    )
    _tell(operation.run)


def _failure(operation: NexusOperation, cause: Failure) -> Failure:
    scheduled = operation.scheduled
    return nexus_failures.of_operation(
        NexusOperationFailureInfo(
            scheduled_event_id=operation.scheduled_event_id,
            endpoint=scheduled.endpoint,
            service=scheduled.service,
            operation=scheduled.operation,
            operation_id=operation.token,
            operation_token=operation.token,
        ),
        cause,
    )


def _tell(run: Run) -> None:
    """There is news of an operation: the workflow shall know."""
    workflow_tasks.schedule_if_needed(run)
    run.commit()
