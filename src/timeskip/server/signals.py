"""Signals, alone or together with the start of the run that they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Header, Link, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionSignaledEventAttributes
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    SignalWithStartWorkflowExecutionResponse,
    SignalWorkflowExecutionRequest,
    SignalWorkflowExecutionResponse,
)

from timeskip.server import starting, termination, workflow_tasks
from timeskip.server.applied_events import applies
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.errors import invalid_argument
from timeskip.server.rpcs import rpc
from timeskip.server.validation.signals import validate_signal, validate_signal_with_start

if TYPE_CHECKING:
    from timeskip.server.run import Run


@rpc("SignalWorkflowExecution")
def signal_workflow(
    cluster: Cluster, call: Call, request: SignalWorkflowExecutionRequest
) -> SignalWorkflowExecutionResponse:
    namespace = cluster.namespace(request.namespace)
    validate_signal(request)
    run = cluster.run_of(namespace, request.workflow_execution)
    if not run.is_open:
        raise not_found("workflow execution already completed")
    if _is_new(run, request.request_id):
        event = write(
            run,
            request.signal_name,
            request.input if request.HasField("input") else None,
            request.header if request.HasField("header") else None,
            request.identity,
            request.request_id,
        )
        event.links.extend(request.links)
        workflow_tasks.schedule_if_needed(run)
        run.commit()
    return SignalWorkflowExecutionResponse(link=signal_link(run, request.request_id))


@rpc("SignalWithStartWorkflowExecution")
def signal_with_start(
    cluster: Cluster, call: Call, request: SignalWithStartWorkflowExecutionRequest
) -> SignalWithStartWorkflowExecutionResponse:
    namespace = cluster.namespace_to_start_in(request.namespace)
    validate_signal_with_start(request, namespace.search_attributes)
    starting.identify(cluster, request)
    current = namespace.current_run(request.workflow_id)
    if current is not None and current.is_open and not starting.replaces_running(request):
        run, started = current, False
    else:
        run_id = cluster.ids.uuid()
        if current is not None and starting.resolve(current, request).terminate_existing:
            termination.replace(current, run_id)
        run, started = starting.create(cluster, namespace, request, run_id), True
    if _is_new(run, request.request_id):
        event = write(
            run,
            request.signal_name,
            request.signal_input if request.HasField("signal_input") else None,
            request.header if request.HasField("header") else None,
            request.identity,
            request.request_id,
        )
        event.links.extend(request.links)
        if started:
            starting.begin(run)
        elif run.workflow_task is None:
            # Unlike a plain signal, this one ends a start delay.
            workflow_tasks.schedule_unless_paused(run)
        run.commit()
        if started:
            started_type, _ = run.request_ids[run.request_id]
            run.request_ids[run.request_id] = (started_type, event)
    return _started_response(run, request, started=started)


def _started_response(
    run: Run, request: SignalWithStartWorkflowExecutionRequest, *, started: bool
) -> SignalWithStartWorkflowExecutionResponse:
    return SignalWithStartWorkflowExecutionResponse(
        run_id=run.run_id,
        first_execution_run_id=run.started.first_execution_run_id,
        started=started,
        signal_link=signal_link(run, request.request_id),
    )


def _is_new(run: Run, request_id: str) -> bool:
    """A request that is sent twice signals once."""
    return not request_id or request_id not in run.signal_request_ids


@applies(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
def _remember(run: Run, event: HistoryEvent) -> None:
    run.signal_count += 1
    run.signal_request_ids[event.workflow_execution_signaled_event_attributes.request_id] = None


def write(
    run: Run,
    name: str,
    input: Payloads | None,
    header: Header | None,
    identity: str,
    request_id: str,
    *,
    external: WorkflowExecution | None = None,
) -> HistoryEvent:
    """Add a signal; `external` is the run whose signal it is, if it is a run's.

    Raises `ServiceError` if the run has had as many as it may have.
    """
    if run.signal_count >= run.cluster.limits.signals:
        raise invalid_argument("exceeded workflow execution limit for signal events")
    return run.add(
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
        WorkflowExecutionSignaledEventAttributes(
            signal_name=name,
            input=input,
            header=header,
            identity=identity,
            request_id=request_id,
            external_workflow_execution=external,
        ),
    )


def signal_link(run: Run, request_id: str) -> Link:
    """A link to the event of a signal, which may still be buffered."""
    return starting.request_link(run, request_id, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
