"""Starting runs: new ones, retried ones, and what happens when the workflow id is taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Link
from temporalio.api.enums.v1 import (
    ContinueAsNewInitiator,
    EventType,
    RetryState,
    WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
)
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.errordetails.v1 import WorkflowExecutionAlreadyStartedFailure
from temporalio.api.history.v1 import (
    WorkflowExecutionOptionsUpdatedEventAttributes,
    WorkflowExecutionStartedEventAttributes,
    WorkflowExecutionTimedOutEventAttributes,
)
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
)

from timeskip.clock import SECOND, Nanoseconds
from timeskip.server import (
    cron,
    next_runs,
    retries,
    termination,
    workflow_options,
    workflow_tasks,
)
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.rpcs import rpc
from timeskip.server.run import Run
from timeskip.server.set_fields import copy_set
from timeskip.server.validation.callbacks import limit_callbacks
from timeskip.server.validation.starts import validate_start
from timeskip.server.validation.versioning_override import in_newer_words

if TYPE_CHECKING:
    from timeskip.server.namespaces import Namespace

StartRequest = StartWorkflowExecutionRequest | SignalWithStartWorkflowExecutionRequest

_FAILED = (
    Status.WORKFLOW_EXECUTION_STATUS_FAILED,
    Status.WORKFLOW_EXECUTION_STATUS_CANCELED,
    Status.WORKFLOW_EXECUTION_STATUS_TERMINATED,
    Status.WORKFLOW_EXECUTION_STATUS_TIMED_OUT,
)


@dataclass(frozen=True)
class Conflict:
    """What to do about the run that has the workflow id now."""

    use_existing: bool = False
    terminate_existing: bool = False


@rpc("StartWorkflowExecution")
def start_workflow(
    cluster: Cluster, call: Call, request: StartWorkflowExecutionRequest
) -> StartWorkflowExecutionResponse:
    return start(cluster, request)


def start(
    cluster: Cluster, request: StartWorkflowExecutionRequest
) -> StartWorkflowExecutionResponse:
    """Start a run, unless the id policies want the run that has the id to be used instead."""
    namespace = cluster.namespace_to_start_in(request.namespace)
    validate_start(request, namespace.search_attributes)
    identify(cluster, request)
    current = namespace.current_run(request.workflow_id)
    run_id = cluster.ids.uuid()
    if current is not None:
        if current.request_id == request.request_id:
            return _started_before(current)
        decision = resolve(current, request)
        if decision.use_existing:
            return _response(current, attach(current, request), started=False)
        if decision.terminate_existing:
            termination.replace(current, run_id)
    run = create(cluster, namespace, request, run_id)
    response = _response(run, started_link(run), started=True)
    if run.started.eager_execution_accepted:
        task = workflow_tasks.schedule(run, enqueue=False)
        workflow_tasks.start(run, request.request_id, request.identity, None)
        response.eager_workflow_task.CopyFrom(workflow_tasks.poll_response(run, task))
    else:
        begin(run)
    run.commit()
    return response


def identify(cluster: Cluster, request: StartRequest) -> None:
    """Give the request an id if it has none: it is then the same as no other."""
    request.request_id = request.request_id or cluster.ids.uuid()


def _started_before(run: Run) -> StartWorkflowExecutionResponse:
    """The answer to a start request that comes again; an eager task that is still open included."""
    response = _response(run, started_link(run), started=True)
    task = run.workflow_task
    if task is not None and task.started_event_id and task.request_id == run.request_id:
        response.eager_workflow_task.CopyFrom(workflow_tasks.poll_response(run, task))
    return response


def attach(run: Run, request: StartWorkflowExecutionRequest) -> Link:
    """Attach to a run what a start request that found it there wants attached.

    Returns the link to what the request has come to.
    """
    options = request.on_conflict_options
    if options.attach_request_id and request.request_id not in run.request_ids:
        if options.attach_completion_callbacks:
            limit_callbacks(len(run.completion_callbacks) + len(request.completion_callbacks))
        event = workflow_options.write(
            run,
            WorkflowExecutionOptionsUpdatedEventAttributes(
                attached_request_id=request.request_id,
                attached_completion_callbacks=(
                    request.completion_callbacks if options.attach_completion_callbacks else ()
                ),
            ),
        )
        if options.attach_links:
            event.links.extend(_links(request))
        run.commit()
    if request.request_id in run.request_ids:
        return request_link(
            run, request.request_id, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED
        )
    return started_link(run)


def resolve(current: Run, request: StartRequest) -> Conflict:
    """Apply the id policies to the run that has the id, or raise "already started"."""
    conflict = request.workflow_id_conflict_policy
    reuse = request.workflow_id_reuse_policy
    if current.is_open:
        if conflict == WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING:
            return Conflict(use_existing=True)
        if replaces_running(request):
            return Conflict(terminate_existing=True)
        raise _already_started(
            current,
            "Workflow execution is already running. "
            f"WorkflowId: {current.workflow_id}, RunId: {current.run_id}.",
        )
    finished = "finished"
    if reuse == WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE:
        policy = "reject duplicate workflow Id"
    elif (
        reuse == WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
        and current.status not in _FAILED
    ):
        finished = "finished successfully"
        policy = "allow duplicate workflow Id if last run failed"
    else:
        return Conflict()
    raise _already_started(
        current,
        f"Workflow execution already {finished}. "
        f"WorkflowId: {current.workflow_id}, RunId: {current.run_id}. "
        f"Workflow Id reuse policy: {policy}.",
    )


def replaces_running(request: StartRequest) -> bool:
    """Whether the request wants a running holder of the workflow id terminated."""
    return (
        request.workflow_id_conflict_policy
        == WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
        or request.workflow_id_reuse_policy
        == WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING
    )


def create(
    cluster: Cluster,
    namespace: Namespace,
    request: StartRequest,
    run_id: str,
    family: WorkflowExecutionStartedEventAttributes | None = None,
) -> Run:
    """Write the started event of a first run. The caller opens the workflow task with `begin`.

    `family` is what the event says about a parent.
    """
    delay = _first_backoff(cluster, request)
    execution_timeout = request.workflow_execution_timeout.ToNanoseconds()
    run_timeout = _cap(request.workflow_run_timeout.ToNanoseconds(), execution_timeout)
    started = WorkflowExecutionStartedEventAttributes(
        workflow_id=request.workflow_id,
        workflow_type=request.workflow_type,
        task_queue=request.task_queue,
        original_execution_run_id=run_id,
        first_execution_run_id=run_id,
        identity=request.identity,
        attempt=1,
        cron_schedule=request.cron_schedule,
    )
    if family is not None:
        started.MergeFrom(family)
    if request.cron_schedule:
        started.initiator = ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE
    copy_set(
        request,
        started,
        "input",
        "workflow_execution_timeout",
        "retry_policy",
        "memo",
        "search_attributes",
        "header",
        "priority",
    )
    if request.HasField("versioning_override"):
        started.versioning_override.CopyFrom(in_newer_words(request.versioning_override))
    if isinstance(request, StartWorkflowExecutionRequest):
        copy_set(request, started, "continued_failure", "last_completion_result")
        started.eager_execution_accepted = request.request_eager_execution and not delay
        started.completion_callbacks.extend(request.completion_callbacks)
    if request.HasField("workflow_run_timeout") or run_timeout:
        started.workflow_run_timeout.FromNanoseconds(run_timeout)
    started.workflow_task_timeout.FromNanoseconds(
        _task_timeout(request.workflow_task_timeout.ToNanoseconds(), run_timeout)
    )
    started.first_workflow_task_backoff.FromNanoseconds(delay)
    if execution_timeout:
        started.workflow_execution_expiration_time.FromNanoseconds(
            cluster.clock.now() + execution_timeout + delay
        )
    run = Run(cluster, namespace, request.workflow_id, run_id, started, request.request_id)
    if request.HasField("user_metadata"):
        run.user_metadata = request.user_metadata
    _record(run, _links(request))
    return run


def _links(request: StartRequest) -> list[Link]:
    """The links of a request, but for those that its callbacks carry."""
    if isinstance(request, SignalWithStartWorkflowExecutionRequest):
        return list(request.links)
    carried = [link for callback in request.completion_callbacks for link in callback.links]
    return [link for link in request.links if link not in carried]


def _first_backoff(cluster: Cluster, request: StartRequest) -> Nanoseconds:
    """How long a first run waits: for the time that its schedule names, or as long as asked."""
    if not request.cron_schedule:
        return request.workflow_start_delay.ToNanoseconds()
    now = cluster.clock.now()
    backoff = cron.next_backoff(request.cron_schedule, now, now)
    if backoff is None:
        raise invalid_argument("invalid CronSchedule.")
    return backoff


def begin(run: Run) -> None:
    """Open the first workflow task, now or after the start delay."""
    backoff = run.started.first_workflow_task_backoff.ToNanoseconds()
    if backoff:
        run.backoff_due = run.cluster.clock.schedule(
            run.start_time + backoff, lambda: _backoff_over(run)
        )
    else:
        workflow_tasks.schedule(run)


def start_next(run: Run, new_run_id: str, started: WorkflowExecutionStartedEventAttributes) -> Run:
    """Write the first event of the run that follows `run`, and open its workflow task."""
    cluster = run.cluster
    new_run = Run(cluster, run.namespace, run.workflow_id, new_run_id, started, cluster.ids.uuid())
    new_run.place_in_chain = run.place_in_chain + 1
    _record(new_run, run.history.events[0].links)
    begin(new_run)
    new_run.commit()
    return new_run


def rebuild(base: Run, last: int, run_id: str) -> Run:
    """A run whose history begins as that of `base`, up to the event `last`, with what was open then.

    Its timeouts begin anew. Nothing of it is offered to workers yet.
    """
    run = Run(base.cluster, base.namespace, base.workflow_id, run_id, base.started, base.request_id)
    run.user_metadata = base.user_metadata
    run.place_in_chain = base.place_in_chain
    run.last_reset_time = run.start_time
    run.take_over(base, last)
    run.request_ids[run.request_id] = base.request_ids[base.request_id]
    _make_known(run)
    execution_timeout = run.started.workflow_execution_timeout.ToNanoseconds()
    _limit(run, run.start_time + execution_timeout if execution_timeout else None)
    return run


def _record(run: Run, links: Iterable[Link]) -> None:
    """Write the first event and make the run known."""
    event = run.add(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, run.started)
    if run.user_metadata is not None:
        event.user_metadata.CopyFrom(run.user_metadata)
    event.links.extend(links)
    run.request_ids[run.request_id] = (event.event_type, event)
    _make_known(run)
    _limit(run, run.execution_expiration)


def _make_known(run: Run) -> None:
    cluster = run.cluster
    cluster.runs[run.run_id] = run
    run.namespace.runs_of.setdefault(run.workflow_id, []).append(run)


def _limit(run: Run, expiration: Nanoseconds | None) -> None:
    """Set the run's own timeout, and that of its chain at `expiration`."""
    clock = run.cluster.clock
    run.execution_expiration = expiration
    backoff = run.started.first_workflow_task_backoff.ToNanoseconds()
    run_timeout = run.started.workflow_run_timeout.ToNanoseconds()
    if run_timeout:
        run.run_timeout_due = clock.schedule(
            run.start_time + backoff + run_timeout, lambda: _time_out(run)
        )
    if expiration is not None:
        run.execution_timeout_due = clock.schedule(expiration, lambda: _time_out(run))


def _backoff_over(run: Run) -> None:
    run.backoff_due = None
    workflow_tasks.schedule_if_needed(run)
    run.commit()


def _time_out(run: Run) -> None:
    """The run, or the whole chain of runs, has had its time. If both have, the chain has."""
    next_run, retry_state = None, RetryState.RETRY_STATE_TIMEOUT
    if run.execution_expiration is None or run.cluster.clock.now() < run.execution_expiration:
        next_run, retry_state = next_runs.after_failure(run, retries.workflow_timeout())
    termination.abandon_workflow_task(run)
    run.close(
        Status.WORKFLOW_EXECUTION_STATUS_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        WorkflowExecutionTimedOutEventAttributes(
            retry_state=retry_state,
            new_execution_run_id=next_run.run_id if next_run is not None else "",
        ),
    )
    if next_run is not None:
        next_run.start()
    run.commit()


def _cap(timeout: Nanoseconds, limit: Nanoseconds) -> Nanoseconds:
    """A timeout of 0 means "as long as allowed"."""
    if not limit:
        return timeout
    return min(timeout, limit) if timeout else limit


_DEFAULT_TASK_TIMEOUT: Nanoseconds = 10 * SECOND
_LONGEST_TASK_TIMEOUT: Nanoseconds = 120 * SECOND


def _task_timeout(asked: Nanoseconds, run_timeout: Nanoseconds) -> Nanoseconds:
    return _cap(min(asked or _DEFAULT_TASK_TIMEOUT, _LONGEST_TASK_TIMEOUT), run_timeout)


def _response(run: Run, link: Link, *, started: bool) -> StartWorkflowExecutionResponse:
    """The answer to the request that started the run, or that is content with it."""
    return StartWorkflowExecutionResponse(
        run_id=run.run_id,
        first_execution_run_id=run.started.first_execution_run_id,
        started=started,
        # A run that was there is told to be running, even if it is paused.
        status=run.status if started else Status.WORKFLOW_EXECUTION_STATUS_RUNNING,
        link=link,
    )


def started_link(run: Run) -> Link:
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


def request_link(run: Run, request_id: str, event_type: EventType.ValueType) -> Link:
    """A link to the event that a request has caused, which may still be buffered."""
    return Link(
        workflow_event=Link.WorkflowEvent(
            namespace=run.namespace.name,
            workflow_id=run.workflow_id,
            run_id=run.run_id,
            request_id_ref=Link.WorkflowEvent.RequestIdReference(
                request_id=request_id, event_type=event_type
            ),
        )
    )


def _already_started(run: Run, message: str) -> ServiceError:
    return ServiceError(
        StatusCode.ALREADY_EXISTS,
        message,
        WorkflowExecutionAlreadyStartedFailure(
            start_request_id=run.request_id,
            run_id=run.run_id,
            first_execution_run_id=run.started.first_execution_run_id,
        ),
    )
