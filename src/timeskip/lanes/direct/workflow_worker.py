"""The workflow half of a worker: polls workflow tasks, keeps runs cached, answers tasks."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from temporalio.api.common.v1 import MeteringMetadata, WorkerVersionCapabilities, WorkerVersionStamp
from temporalio.api.enums.v1 import QueryResultType, TaskQueueKind
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import StickyExecutionAttributes, TaskQueue
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondQueryTaskCompletedRequest,
    RespondQueryTaskCompletedResponse,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    RespondWorkflowTaskFailedRequest,
    RespondWorkflowTaskFailedResponse,
)
from temporalio.bridge.proto.workflow_activation import RemoveFromCache, WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from timeskip.lanes.direct.cached_run import CachedRun
from timeskip.lanes.direct.flags import Flags
from timeskip.lanes.direct.identity import WorkerIdentity
from timeskip.lanes.direct.machines.machine import FatalError, NondeterminismError
from timeskip.lanes.direct.poller import Poller
from timeskip.lanes.direct.requests import Requests
from timeskip.lanes.direct.workflow_machines import WorkflowMachines
from timeskip.server.errors import ServiceError

_Evict = RemoveFromCache.EvictionReason


class WorkflowWorker:
    """Turns workflow tasks into activations and completions into answers."""

    def __init__(
        self,
        requests: Requests,
        identity: WorkerIdentity,
        *,
        slots: int,
        cache_size: int,
        sticky_timeout: timedelta,
        eager_room: Callable[[str], bool],
        take_activity: Callable[[PollActivityTaskQueueResponse], None],
    ) -> None:
        self._requests = requests
        self._identity = identity
        self._slots = slots
        self._cache_size = cache_size
        self._sticky_timeout = sticky_timeout
        self._eager_room = eager_room
        self._take_activity = take_activity
        self._runs: OrderedDict[str, CachedRun] = OrderedDict()
        self._activations: asyncio.Queue[WorkflowActivation | None] = asyncio.Queue()
        self._open_tasks = 0
        self._stopping = False
        self._pollers = [self._poller(identity.task_queue, TaskQueueKind.TASK_QUEUE_KIND_NORMAL)]
        if cache_size:
            self._pollers.append(
                self._poller(identity.sticky_queue, TaskQueueKind.TASK_QUEUE_KIND_STICKY)
            )

    def start(self) -> None:
        for poller in self._pollers:
            poller.resume()

    def stop(self) -> None:
        """Finish what is being worked on, then forget all runs."""
        self._stopping = True
        for poller in self._pollers:
            poller.stop()
        for run in list(self._runs.values()):
            if run.task is None:
                run.evict(RemoveFromCache(message="Worker shutdown", reason=_Evict.LANG_REQUESTED))
        self._end_if_done()

    async def next_activation(self) -> WorkflowActivation | None:
        """The next activation for the workflows' code; None once the worker has stopped."""
        activation = await self._activations.get()
        if activation is None:
            self._activations.put_nowait(None)
        return activation

    def completed(self, completion: WorkflowActivationCompletion) -> None:
        """The code's answer to an activation."""
        run = self._runs.get(completion.run_id)
        if run is None:
            return
        run.returned(completion)
        if run.evicting is not None and run.task is None:
            self._forget(run)
        elif completion.HasField("failed"):
            failure = completion.failed.failure
            self._fail(run, failure, completion.failed.force_cause, _Evict.LANG_FAIL)
        else:
            self._guarded(run, lambda: self._succeeded(run, completion))

    def evict(self, run_id: str) -> None:
        """The code asks to be rid of a run."""
        run = self._runs.get(run_id)
        if run is not None:
            run.evict(RemoveFromCache(message="Requested by lang", reason=_Evict.LANG_REQUESTED))

    # -- tasks --------------------------------------------------------------------------------

    def _poller(
        self, queue: str, kind: TaskQueueKind.ValueType
    ) -> Poller[PollWorkflowTaskQueueResponse]:
        identity = self._identity
        sticky = kind == TaskQueueKind.TASK_QUEUE_KIND_STICKY
        return Poller(
            self._requests,
            "PollWorkflowTaskQueue",
            PollWorkflowTaskQueueRequest(
                namespace=identity.namespace,
                task_queue=TaskQueue(
                    name=queue, kind=kind, normal_name=identity.task_queue if sticky else ""
                ),
                identity=identity.identity,
                worker_instance_key=identity.instance_key,
                worker_version_capabilities=WorkerVersionCapabilities(build_id=identity.build_id),
            ),
            PollWorkflowTaskQueueResponse,
            lambda: self._open_tasks < self._slots,
            self._take_task,
        )

    def _take_task(self, task: PollWorkflowTaskQueueResponse) -> None:
        self._open_tasks += 1
        run = self._runs.get(task.workflow_execution.run_id)
        if run is not None and (run.evicting is not None or run.task is not None):
            run.next_task = task
            return
        self._begin(run, task)

    def _begin(self, run: CachedRun | None, task: PollWorkflowTaskQueueResponse) -> None:
        if run is None:
            run = self._new_run(task)
        self._runs.move_to_end(run.run_id)
        run.begin(task)
        self._guarded(run, lambda: self._feed(run, task))

    def _feed(self, run: CachedRun, task: PollWorkflowTaskQueueResponse) -> None:
        events = self._history(run, task)
        if events:
            run.machines.take_history(events, task.previous_started_event_id)
        self._go_on(run)

    def _history(self, run: CachedRun, task: PollWorkflowTaskQueueResponse) -> list[HistoryEvent]:
        """All events that the run has not seen, fetched if the task does not bring them."""
        events = list(task.history.events)
        token = task.next_page_token
        expected = run.machines.last_event_id + 1
        if (not events and expected == 1) or (events and events[0].event_id > expected):
            # A part of the history came for a run that is not cached (any more).
            events, token = [], b""
            fetched = self._fetch(task, b"")
            events, token = list(fetched.history.events), fetched.next_page_token
        while token:
            fetched = self._fetch(task, token)
            events += fetched.history.events
            token = fetched.next_page_token
        return events

    def _fetch(
        self, task: PollWorkflowTaskQueueResponse, token: bytes
    ) -> GetWorkflowExecutionHistoryResponse:
        return self._requests.ask(
            "GetWorkflowExecutionHistory",
            GetWorkflowExecutionHistoryRequest(
                namespace=self._identity.namespace,
                execution=task.workflow_execution,
                next_page_token=token,
            ),
            GetWorkflowExecutionHistoryResponse,
        )

    def _succeeded(self, run: CachedRun, completion: WorkflowActivationCompletion) -> None:
        run.machines.flags.add_lang(completion.successful.used_internal_flags)
        run.take(list(completion.successful.commands))
        self._go_on(run)

    def _go_on(self, run: CachedRun) -> None:
        if run.go_on():
            return
        if run.legacy_result is not None:
            self._answer_legacy_query(run)
        else:
            self._answer_task(run)

    def _answer_legacy_query(self, run: CachedRun) -> None:
        task, answer = run.task, run.legacy_result
        assert task is not None
        assert answer is not None
        request = RespondQueryTaskCompletedRequest(
            task_token=task.task_token, namespace=self._identity.namespace
        )
        if answer.HasField("failed"):
            request.completed_type = QueryResultType.QUERY_RESULT_TYPE_FAILED
            request.error_message = answer.failed.message
            request.failure.CopyFrom(answer.failed)
        else:
            request.completed_type = QueryResultType.QUERY_RESULT_TYPE_ANSWERED
            if answer.succeeded.HasField("response"):
                request.query_result.payloads.append(answer.succeeded.response)
        try:
            self._requests.ask(
                "RespondQueryTaskCompleted", request, RespondQueryTaskCompletedResponse
            )
        except ServiceError:
            # Nobody waits for the answer any more; the run is as good as before.
            pass
        self._done(run)

    def _answer_task(self, run: CachedRun) -> None:
        task = run.task
        assert task is not None
        identity = self._identity
        request = RespondWorkflowTaskCompletedRequest(
            task_token=task.task_token,
            commands=run.machines.commands(),
            identity=identity.identity,
            namespace=identity.namespace,
            return_new_workflow_task=True,
            query_results=run.query_results,
            worker_version_stamp=WorkerVersionStamp(build_id=identity.build_id),
            sdk_metadata=run.machines.flags.for_completion(),
            metering_metadata=MeteringMetadata(),
            worker_instance_key=identity.instance_key,
        )
        if self._cache_size:
            request.sticky_attributes.CopyFrom(self._sticky_attributes())
        try:
            response = self._requests.ask(
                "RespondWorkflowTaskCompleted", request, RespondWorkflowTaskCompletedResponse
            )
        except ServiceError as error:
            self._refused(run, error)
            return
        if response.HasField("workflow_task"):
            self._open_tasks += 1
            run.next_task = response.workflow_task
        for activity in response.activity_tasks:
            self._take_activity(activity)
        if run.machines.finished:
            reason = _Evict.WORKFLOW_EXECUTION_ENDING
            run.evicting = RemoveFromCache(message="Workflow completed", reason=reason)
        elif not self._cache_size and not response.HasField("workflow_task"):
            run.evicting = RemoveFromCache(message="Cache is off", reason=_Evict.CACHE_FULL)
        self._done(run)

    def _refused(self, run: CachedRun, error: ServiceError) -> None:
        """The service did not take the answer: what the run has in memory is not what is recorded."""
        reason = (
            _Evict.UNHANDLED_COMMAND
            if error.message == "UnhandledCommand"
            else _Evict.TASK_NOT_FOUND
        )
        run.evicting = RemoveFromCache(message=error.message, reason=reason)
        self._done(run)

    def _fail(
        self,
        run: CachedRun,
        failure: Failure,
        cause: Cause.ValueType,
        reason: _Evict.ValueType,
    ) -> None:
        """The task failed. The first attempt is reported; others time out, so that nobody spins."""
        task = run.task
        if task is not None and task.HasField("query"):
            self._report_failed_query(task, failure)
        elif task is not None and task.attempt <= 1:
            self._report_failed_task(task, failure, cause)
        elif task is not None:
            self._identity.abandon(task.workflow_execution.run_id)
        run.evicting = RemoveFromCache(message=failure.message, reason=reason)
        self._done(run)

    def _report_failed_task(
        self, task: PollWorkflowTaskQueueResponse, failure: Failure, cause: Cause.ValueType
    ) -> None:
        try:
            self._requests.ask(
                "RespondWorkflowTaskFailed",
                RespondWorkflowTaskFailedRequest(
                    task_token=task.task_token,
                    cause=cause
                    or Cause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
                    failure=failure,
                    identity=self._identity.identity,
                    namespace=self._identity.namespace,
                ),
                RespondWorkflowTaskFailedResponse,
            )
        except ServiceError:
            # The task is over already: it timed out, or the run was closed.
            return

    def _report_failed_query(self, task: PollWorkflowTaskQueueResponse, failure: Failure) -> None:
        try:
            self._requests.ask(
                "RespondQueryTaskCompleted",
                RespondQueryTaskCompletedRequest(
                    task_token=task.task_token,
                    completed_type=QueryResultType.QUERY_RESULT_TYPE_FAILED,
                    error_message=failure.message,
                    failure=failure,
                    namespace=self._identity.namespace,
                ),
                RespondQueryTaskCompletedResponse,
            )
        except ServiceError:
            # Nobody waits for the answer any more.
            return

    def _done(self, run: CachedRun) -> None:
        """The run's task is answered, or lost. See what comes next."""
        run.task = None
        self._open_tasks -= 1
        if run.evicting is not None:
            if not run.is_out:
                run.hand_out_eviction()
        elif run.next_task is not None:
            task, run.next_task = run.next_task, None
            self._begin(run, task)
        elif self._stopping:
            run.evict(RemoveFromCache(message="Worker shutdown", reason=_Evict.LANG_REQUESTED))
        self._resume()

    # -- cache --------------------------------------------------------------------------------

    def _new_run(self, task: PollWorkflowTaskQueueResponse) -> CachedRun:
        self._make_room()
        execution = task.workflow_execution
        machines = WorkflowMachines(
            execution.run_id,
            execution.workflow_id,
            self._identity.task_queue,
            Flags(self._identity.sdk_name, self._identity.sdk_version),
            self._eager_room,
        )
        run = CachedRun(execution.run_id, machines, self._activations.put_nowait)
        self._runs[run.run_id] = run
        return run

    def _make_room(self) -> None:
        """Evict the runs that were used longest ago and are not being worked on."""
        excess = len(self._runs) + 1 - max(self._cache_size, 1)
        for run in list(self._runs.values()):
            if excess <= 0:
                return
            if run.task is None and run.evicting is None:
                excess -= 1
                run.evict(RemoveFromCache(message="Cache full", reason=_Evict.CACHE_FULL))

    def _forget(self, run: CachedRun) -> None:
        """The code has forgotten the run; so does the cache."""
        del self._runs[run.run_id]
        if run.next_task is not None:
            self._begin(None, run.next_task)
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._stopping and not self._runs:
            self._activations.put_nowait(None)

    def _resume(self) -> None:
        for poller in self._pollers:
            poller.resume()

    def _sticky_attributes(self) -> StickyExecutionAttributes:
        attributes = StickyExecutionAttributes(
            worker_task_queue=TaskQueue(
                name=self._identity.sticky_queue,
                kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY,
                normal_name=self._identity.task_queue,
            )
        )
        attributes.schedule_to_start_timeout.FromTimedelta(self._sticky_timeout)
        return attributes

    def _guarded(self, run: CachedRun, step: Callable[[], None]) -> None:
        """Do something with the run's machines; a run that does not fit its history is failed."""
        try:
            step()
        except NondeterminismError as error:
            message = f"[TMPRL1100] Nondeterminism error: {error}"
            cause = Cause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
            self._fail(run, _application_failure(message), cause, _Evict.NONDETERMINISM)
        except FatalError as error:
            message = f"Fatal error in workflow machines: {error}"
            cause = Cause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
            self._fail(run, _application_failure(message), cause, _Evict.FATAL)


def _application_failure(message: str) -> Failure:
    return Failure(message=message, application_failure_info=ApplicationFailureInfo())
