"""Signals to and cancellations of other runs, asked for by a workflow.

A run that has closed by the time its wish is carried out has it dropped, as on the real server.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from google.protobuf.message import Message
from temporalio.api.command.v1 import (
    RequestCancelExternalWorkflowExecutionCommandAttributes,
    SignalExternalWorkflowExecutionCommandAttributes,
)
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import (
    CancelExternalWorkflowExecutionFailedCause,
    EventType,
    SignalExternalWorkflowExecutionFailedCause,
)
from temporalio.api.history.v1 import (
    ExternalWorkflowExecutionCancelRequestedEventAttributes,
    ExternalWorkflowExecutionSignaledEventAttributes,
    HistoryEvent,
    RequestCancelExternalWorkflowExecutionFailedEventAttributes,
    RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    SignalExternalWorkflowExecutionFailedEventAttributes,
    SignalExternalWorkflowExecutionInitiatedEventAttributes,
)

from timeskip.server import cancellation, signals, termination, workflow_tasks
from timeskip.server.applied_events import applies
from timeskip.server.errors import HistoryLimitExceeded, ServiceError
from timeskip.server.history import initiated_event_id_of
from timeskip.server.set_fields import copy_set

if TYPE_CHECKING:
    from timeskip.server.run import Run

_NO_SUCH_SIGNAL_TARGET = SignalExternalWorkflowExecutionFailedCause.Value(
    "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"
)
_TOO_MANY_SIGNALS = SignalExternalWorkflowExecutionFailedCause.Value(
    "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_SIGNAL_COUNT_LIMIT_EXCEEDED"
)
_DELIVERED = SignalExternalWorkflowExecutionFailedCause.Value(
    "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_UNSPECIFIED"
)
_NO_SUCH_CANCEL_TARGET = CancelExternalWorkflowExecutionFailedCause.Value(
    "CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"
)


def initiate_signal(
    run: Run, attributes: SignalExternalWorkflowExecutionCommandAttributes, completed_id: int
) -> HistoryEvent:
    """Write that another run is to be signalled, and do so after the workflow task."""
    namespace = run.namespace
    initiated = SignalExternalWorkflowExecutionInitiatedEventAttributes(
        workflow_task_completed_event_id=completed_id,
        namespace=attributes.namespace,
        namespace_id=namespace.id,
        workflow_execution=attributes.execution,
        signal_name=attributes.signal_name,
        control=attributes.control,
        child_workflow_only=attributes.child_workflow_only,
    )
    copy_set(attributes, initiated, "input", "header")
    event = run.add(EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, initiated)
    send_soon(run, event)
    return event


def initiate_cancel(
    run: Run, attributes: RequestCancelExternalWorkflowExecutionCommandAttributes, completed_id: int
) -> HistoryEvent:
    """Write that another run is to be asked to cancel itself, and ask after the workflow task."""
    namespace = run.namespace
    event = run.add(
        EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
        RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(
            workflow_task_completed_event_id=completed_id,
            namespace=attributes.namespace,
            namespace_id=namespace.id,
            workflow_execution=WorkflowExecution(
                workflow_id=attributes.workflow_id, run_id=attributes.run_id
            ),
            control=attributes.control,
            child_workflow_only=attributes.child_workflow_only,
            reason=attributes.reason,
        ),
    )
    send_soon(run, event)
    return event


def send_soon(run: Run, initiated: HistoryEvent) -> None:
    """Signal or cancel another run once the change that is being made to this one is complete."""
    is_signal = initiated.HasField("signal_external_workflow_execution_initiated_event_attributes")
    run.cluster.transfers.add(partial(_signal if is_signal else _cancel, run, initiated))


@applies(
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
    EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
)
def _open(run: Run, event: HistoryEvent) -> None:
    run.external_requests[event.event_id] = event


@applies(
    EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
    EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
)
def _close(run: Run, event: HistoryEvent) -> None:
    del run.external_requests[initiated_event_id_of(event)]


def _signal(run: Run, event: HistoryEvent) -> None:
    if not run.is_open:
        return
    wanted = event.signal_external_workflow_execution_initiated_event_attributes
    namespace = run.namespace
    target = _target(run, wanted)
    cause = _NO_SUCH_SIGNAL_TARGET
    if target is not None and target.is_open:
        cause = _deliver(run, wanted, target)
    if cause != _DELIVERED:
        _tell(
            run,
            EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
            SignalExternalWorkflowExecutionFailedEventAttributes(
                cause=cause,
                namespace=namespace.name,
                namespace_id=namespace.id,
                workflow_execution=wanted.workflow_execution,
                initiated_event_id=event.event_id,
                control=wanted.control,
            ),
        )
        return
    _tell(
        run,
        EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED,
        ExternalWorkflowExecutionSignaledEventAttributes(
            initiated_event_id=event.event_id,
            namespace=namespace.name,
            namespace_id=namespace.id,
            workflow_execution=wanted.workflow_execution,
            control=wanted.control,
        ),
    )


def _deliver(
    run: Run, wanted: SignalExternalWorkflowExecutionInitiatedEventAttributes, target: Run
) -> SignalExternalWorkflowExecutionFailedCause.ValueType:
    """Signal the open run that is meant; why that failed, if it did."""
    try:
        signals.write(
            target,
            wanted.signal_name,
            wanted.input if wanted.HasField("input") else None,
            wanted.header if wanted.HasField("header") else None,
            termination.HISTORY_SERVICE,
            run.cluster.ids.uuid(),
            external=_execution(run),
        )
        workflow_tasks.schedule_if_needed(target)
        target.commit()
    except ServiceError:  # or too long a history, which the real server tells just the same
        return _TOO_MANY_SIGNALS
    return _DELIVERED


def _cancel(run: Run, event: HistoryEvent) -> None:
    """A run that has closed already needs no cancellation: the wish is fulfilled."""
    if not run.is_open:
        return
    wanted = event.request_cancel_external_workflow_execution_initiated_event_attributes
    namespace = run.namespace
    target = _target(run, wanted)
    if target is None:
        _tell(
            run,
            EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
            RequestCancelExternalWorkflowExecutionFailedEventAttributes(
                cause=_NO_SUCH_CANCEL_TARGET,
                namespace=namespace.name,
                namespace_id=namespace.id,
                workflow_execution=wanted.workflow_execution,
                initiated_event_id=event.event_id,
            ),
        )
        return
    if target.is_open:
        with contextlib.suppress(HistoryLimitExceeded):  # that has closed it
            cancellation.request_cancel(
                target,
                wanted.reason,
                termination.HISTORY_SERVICE,
                external=_execution(run),
                external_initiated_event_id=event.event_id,
            )
    _tell(
        run,
        EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
        ExternalWorkflowExecutionCancelRequestedEventAttributes(
            initiated_event_id=event.event_id,
            namespace=namespace.name,
            namespace_id=namespace.id,
            workflow_execution=wanted.workflow_execution,
        ),
    )


def _target(
    run: Run,
    wanted: SignalExternalWorkflowExecutionInitiatedEventAttributes
    | RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
) -> Run | None:
    """The run that is meant: never one of the own workflow, nor perhaps any but a child."""
    namespace = run.namespace
    execution = wanted.workflow_execution
    if namespace is run.namespace and execution.workflow_id == run.workflow_id:
        return None
    try:
        target = run.cluster.run_of(namespace, execution)
    except ServiceError:
        return None
    if wanted.child_workflow_only and (target.started.parent_workflow_execution != _execution(run)):
        return None
    return target


def _execution(run: Run) -> WorkflowExecution:
    return WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id)


def _tell(run: Run, event_type: EventType.ValueType, attributes: Message) -> None:
    """Tell the run that wanted something what has come of it."""
    run.add(event_type, attributes)
    workflow_tasks.schedule_if_needed(run)
    run.commit()
