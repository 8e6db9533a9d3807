"""Requests to cancel Nexus operations, which their handlers may heed or not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from temporalio.api.enums.v1 import EventType
from temporalio.api.enums.v1 import NexusOperationCancellationState as State
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import (
    HistoryEvent,
    NexusOperationCancelRequestCompletedEventAttributes,
    NexusOperationCancelRequestedEventAttributes,
    NexusOperationCancelRequestFailedEventAttributes,
)
from temporalio.api.nexus.v1 import CancelOperationRequest, Request

from timeskip.clock import DueTime, Nanoseconds
from timeskip.server import nexus_failures, nexus_operations, nexus_tasks, workflow_tasks
from timeskip.server.applied_events import applies

if TYPE_CHECKING:
    from timeskip.server.nexus_operations import NexusOperation
    from timeskip.server.run import Run


class NexusCancellation:
    """The request to cancel one operation. It is sent once the operation has begun."""

    __slots__ = (
        "attempt",
        "last_attempt_complete_time",
        "last_failure",
        "operation",
        "requested_event_id",
        "requested_time",
        "retry_due",
        "state",
    )

    def __init__(self, operation: NexusOperation, requested_event_id: int) -> None:
        self.operation = operation
        self.requested_event_id = requested_event_id
        self.state = State.NEXUS_OPERATION_CANCELLATION_STATE_UNSPECIFIED
        self.requested_time: Nanoseconds | None = None
        self.attempt = 0
        self.last_attempt_complete_time: Nanoseconds | None = None
        self.last_failure: Failure | None = None
        self.retry_due: DueTime | None = None

    def begin(self) -> None:
        """Tell the handler, once the change that is being made to the caller is complete."""
        self.requested_time = self.operation.run.cluster.clock.now()
        self.send_soon()

    def send_soon(self) -> None:
        self.retry_due = None
        self.state = State.NEXUS_OPERATION_CANCELLATION_STATE_SCHEDULED
        self.operation.run.cluster.transfers.add(partial(_send, self))

    def answered(self, failure: Failure | None = None) -> None:
        """An attempt is over."""
        self.attempt += 1
        self.last_attempt_complete_time = self.operation.run.cluster.clock.now()
        self.last_failure = failure

    def forget(self) -> None:
        """The operation is over."""
        if self.retry_due is not None:
            self.retry_due.cancel()


def request(run: Run, scheduled_event_id: int, completed_id: int) -> HistoryEvent:
    """Write that an operation is to be cancelled. It may be over by now, without the workflow knowing."""
    return run.add(
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUESTED,
        NexusOperationCancelRequestedEventAttributes(
            scheduled_event_id=scheduled_event_id, workflow_task_completed_event_id=completed_id
        ),
    )


@applies(EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUESTED)
def _note(run: Run, event: HistoryEvent) -> None:
    attributes = event.nexus_operation_cancel_requested_event_attributes
    operation = run.nexus_operations.get(attributes.scheduled_event_id)
    if operation is not None:
        operation.cancellation = NexusCancellation(operation, event.event_id)
        if operation.is_started:
            operation.cancellation.begin()


def _send(cancellation: NexusCancellation) -> None:
    operation = cancellation.operation
    if not operation.is_pending or operation.run.stands_still:
        return
    endpoint = operation.endpoint()
    if endpoint is None:
        _fail(cancellation, nexus_failures.handler_failure("NOT_FOUND", "endpoint not registered"))
        return
    if endpoint.spec.target.HasField("worker"):
        task = nexus_tasks.NexusTask(
            operation, _request(operation), partial(_answered, cancellation)
        )
        nexus_tasks.offer(task, endpoint.spec.target.worker, operation.time_left()[0])


def _request(operation: NexusOperation) -> Request:
    scheduled = operation.scheduled
    return Request(
        header={
            "user-agent": "temporalio/server",
            "content-length": "0",
            **scheduled.nexus_header,
        },
        endpoint=scheduled.endpoint,
        capabilities=Request.Capabilities(),
        cancel_operation=CancelOperationRequest(
            service=scheduled.service,
            operation=scheduled.operation,
            operation_id=operation.token,
            operation_token=operation.token,
        ),
    )


def _answered(cancellation: NexusCancellation, outcome: nexus_tasks.Outcome) -> None:
    """The handler has heard of it, or cannot do it, or nobody has answered in time."""
    if not cancellation.operation.is_pending:
        return
    if isinstance(outcome, Failure) and outcome.HasField("cause"):
        # As on the real server, which loses this on the way.
        outcome.ClearField("message")
        outcome.ClearField("stack_trace")
    if not isinstance(outcome, Failure):
        cancellation.answered()
        cancellation.state = State.NEXUS_OPERATION_CANCELLATION_STATE_SUCCEEDED
        _tell(
            cancellation,
            EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_COMPLETED,
            NexusOperationCancelRequestCompletedEventAttributes(
                scheduled_event_id=cancellation.operation.scheduled_event_id,
                requested_event_id=cancellation.requested_event_id,
            ),
        )
    elif nexus_failures.is_retryable(outcome):
        cancellation.answered(outcome)
        cancellation.state = State.NEXUS_OPERATION_CANCELLATION_STATE_BACKING_OFF
        clock = cancellation.operation.run.cluster.clock
        cancellation.retry_due = clock.schedule(
            clock.now() + nexus_operations.retry_interval(cancellation.attempt),
            cancellation.send_soon,
        )
    else:
        _fail(cancellation, outcome)


def _fail(cancellation: NexusCancellation, failure: Failure) -> None:
    cancellation.answered(failure)
    cancellation.state = State.NEXUS_OPERATION_CANCELLATION_STATE_FAILED
    _tell(
        cancellation,
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_FAILED,
        NexusOperationCancelRequestFailedEventAttributes(
            scheduled_event_id=cancellation.operation.scheduled_event_id,
            requested_event_id=cancellation.requested_event_id,
            failure=failure,
        ),
    )


def _tell(
    cancellation: NexusCancellation,
    event_type: EventType.ValueType,
    attributes: NexusOperationCancelRequestCompletedEventAttributes
    | NexusOperationCancelRequestFailedEventAttributes,
) -> None:
    """The workflow shall know what has come of its request."""
    run = cancellation.operation.run
    run.add(event_type, attributes).worker_may_ignore = True
    workflow_tasks.schedule_if_needed(run)
    run.commit()
