"""Callbacks of a run: who is told when it has closed.

Only the server itself can be: so a Nexus operation gets the result of the run that it has started.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from temporalio.api.common.v1 import Callback, Link, Payload
from temporalio.api.enums.v1 import CallbackState, EventType
from temporalio.api.failure.v1 import (
    ApplicationFailureInfo,
    CanceledFailureInfo,
    Failure,
    TerminatedFailureInfo,
    TimeoutFailureInfo,
)
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import CallbackInfo

from timeskip.clock import Nanoseconds
from timeskip.server import callback_tokens, nexus_operations
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.errors import ServiceError, invalid_argument
from timeskip.server.history import attributes_of

if TYPE_CHECKING:
    from timeskip.server.callback_tokens import CallbackToken
    from timeskip.server.nexus_operations import NexusOperation
    from timeskip.server.run import Run

_OPERATION_TOKEN = "nexus-operation-token"

_NEXUS_TYPES = {3: "BAD_REQUEST", 5: "NOT_FOUND"}


class CompletionCallback:
    """One callback of one run."""

    __slots__ = ("callback", "complete_time", "failure", "registration_time", "state")

    def __init__(self, callback: Callback, registration_time: Nanoseconds) -> None:
        self.callback = callback
        self.registration_time = registration_time
        self.state = CallbackState.CALLBACK_STATE_STANDBY
        self.complete_time: Nanoseconds | None = None
        self.failure: Failure | None = None


class _End(NamedTuple):
    result: Payload | Failure
    is_canceled: bool = False


def register(run: Run, callbacks: Iterable[Callback]) -> None:
    """Add callbacks to a run."""
    now = run.cluster.clock.now()
    run.completion_callbacks += [CompletionCallback(each, now) for each in callbacks]


def info(registered: CompletionCallback) -> CallbackInfo:
    """A callback as descriptions of its run show it."""
    shown = CallbackInfo(
        callback=registered.callback,
        trigger=CallbackInfo.Trigger(workflow_closed=CallbackInfo.WorkflowClosed()),
        state=registered.state,
        last_attempt_failure=registered.failure,
    )
    shown.registration_time.FromNanoseconds(registered.registration_time)
    if registered.complete_time is not None:
        shown.attempt = 1
        shown.last_attempt_complete_time.FromNanoseconds(registered.complete_time)
    return shown


def call_back(run: Run, closed: HistoryEvent) -> None:
    """Tell those who asked for it that a run has closed, unless another run follows it."""
    if getattr(attributes_of(closed), "new_execution_run_id", ""):
        return
    end = _end(closed)
    for registered in run.completion_callbacks:
        registered.complete_time = run.cluster.clock.now()
        try:
            _deliver(run, registered.callback.nexus, end)
        except ServiceError as error:
            registered.state = CallbackState.CALLBACK_STATE_FAILED
            registered.failure = Failure(
                message=f"handler error ({_NEXUS_TYPES[error.code]}): {error.message}",
                application_failure_info=ApplicationFailureInfo(non_retryable=True),
            )
        else:
            registered.state = CallbackState.CALLBACK_STATE_SUCCEEDED


def _end(closed: HistoryEvent) -> _End:
    """What a caller is told of the end of a run."""
    kind = closed.event_type
    if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
        result = closed.workflow_execution_completed_event_attributes.result
        return _End(result.payloads[0] if result.payloads else nexus_operations.NOTHING)
    if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
        return _End(closed.workflow_execution_failed_event_attributes.failure)
    if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
        canceled = closed.workflow_execution_canceled_event_attributes
        details = canceled.details if canceled.HasField("details") else None
        failure = Failure(
            message="operation canceled",
            canceled_failure_info=CanceledFailureInfo(details=details),
        )
        return _End(failure, is_canceled=True)
    if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
        return _End(
            Failure(message="operation terminated", terminated_failure_info=TerminatedFailureInfo())
        )
    return _End(
        Failure(
            message="operation exceeded internal timeout",
            timeout_failure_info=TimeoutFailureInfo(),
        )
    )


def _deliver(run: Run, callback: Callback.Nexus, end: _End) -> None:
    token = callback_tokens.read(callback.header)
    if token is None:
        raise invalid_argument("invalid callback token")
    nexus_operations.complete(
        _operation_of(run.cluster, token),
        callback.header.get(_OPERATION_TOKEN, ""),
        run.start_time,
        [_link(run)],
        end.result,
        is_canceled=end.is_canceled,
    )


def _operation_of(cluster: Cluster, token: CallbackToken) -> NexusOperation:
    """The operation that is meant. After a reset it is another run's."""
    namespace = cluster.namespace(token.namespace)
    caller = cluster.runs.get(token.run_id)
    if caller is None or not caller.is_open:
        caller = cluster.run_by_ids(namespace, token.workflow_id, "")
    if not caller.is_open:
        raise not_found("workflow execution already completed")
    operation = caller.nexus_operations.get(token.scheduled_event_id)
    if operation is None or operation.scheduled.request_id != token.request_id:
        raise not_found(
            "stale reference: state machine not found: "
            f"nexusoperations.Operation:{token.scheduled_event_id}"
        )
    return operation


def _link(run: Run) -> Link:
    """To the beginning of the run that has closed."""
    return Link(
        workflow_event=Link.WorkflowEvent(
            namespace=run.namespace.name,
            workflow_id=run.workflow_id,
            run_id=run.run_id,
            event_ref=Link.WorkflowEvent.EventReference(
                event_id=1, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
            ),
        )
    )
