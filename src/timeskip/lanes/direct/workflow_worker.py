"""The workflow half of a worker: polls workflow tasks, keeps runs cached, answers tasks."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
)
from temporalio.bridge.proto.workflow_activation import RemoveFromCache, WorkflowActivation
from temporalio.bridge.proto.workflow_completion import Failure as CompletionFailure
from temporalio.bridge.proto.workflow_completion import Success, WorkflowActivationCompletion

from timeskip.clock import DueTime, Nanoseconds
from timeskip.lanes.direct.activity_worker import ActivityWorker
from timeskip.lanes.direct.cached_run import (
    AnswerByItself,
    CachedRun,
    FailByItself,
    RunSettings,
    Step,
)
from timeskip.lanes.direct.flags import Flags
from timeskip.lanes.direct.history_fetching import Fetched, HistoryFetch
from timeskip.lanes.direct.identity import WorkerIdentity
from timeskip.lanes.direct.local_activities import FinishedLocalActivity, LocalActivities
from timeskip.lanes.direct.mailbox import Mailbox
from timeskip.lanes.direct.payload_limits import PayloadLimits
from timeskip.lanes.direct.poller import Poller
from timeskip.lanes.direct.requests import Requests
from timeskip.lanes.direct.slot_info import WorkflowSlotInfo
from timeskip.lanes.direct.slots import Permit, Slots
from timeskip.lanes.direct.task_outcomes import (
    FailTask,
    Outcome,
    WorkflowTask,
    application_failure,
)
from timeskip.lanes.direct.task_reports import Report, TaskReports
from timeskip.lanes.direct.versioning import VersionOfTask
from timeskip.lanes.direct.workflow_machines import RunIdentity, WorkflowMachines
from timeskip.lanes.holds import Hold

_Evict = RemoveFromCache.EvictionReason


@dataclass(frozen=True)
class WorkflowSettings:
    """What a worker's configuration says about workflows. `cache_size`: runs; 0 keeps none."""

    cache_size: int
    sticky_timeout: timedelta
    fails_if_nondeterministic: bool = False
    types_that_fail_if_nondeterministic: frozenset[str] = frozenset()

    def fails(self, workflow_type: str) -> bool:
        """Whether a nondeterministic workflow of this type fails, and not only its task."""
        return (
            self.fails_if_nondeterministic
            or workflow_type in self.types_that_fail_if_nondeterministic
        )


class WorkflowWorker:
    """Turns workflow tasks into activations and completions into answers."""

    def __init__(
        self,
        requests: Requests,
        identity: WorkerIdentity,
        settings: WorkflowSettings,
        slots: Slots[WorkflowSlotInfo],
        activities: ActivityWorker,
        local_activities: LocalActivities | None,
        limits: PayloadLimits,
    ) -> None:
        self._requests = requests
        self._identity = identity
        self._settings = settings
        self._activities = activities
        self._local_activities = local_activities
        self._slots = slots
        self._run_settings = RunSettings(settings.fails, self._heartbeat_at)
        self._reports = TaskReports(
            requests,
            identity,
            activities,
            settings.sticky_timeout if settings.cache_size else None,
            limits,
        )
        self._runs: OrderedDict[str, CachedRun] = OrderedDict()
        #: Those whose history is on its way.
        self._fetching: list[WorkflowTask] = []
        self._room_needed: OrderedDict[str, deque[WorkflowTask]] = OrderedDict()
        self._activations: Mailbox[WorkflowActivation | None] = Mailbox()
        self._steps: deque[tuple[CachedRun, Step]] = deque()
        self._is_stepping = False
        self._holds: dict[str, Hold] = {}
        self._stopping = False
        self._pollers = [
            self._poller(slots, identity.task_queue, TaskQueueKind.TASK_QUEUE_KIND_NORMAL)
        ]
        if settings.cache_size:
            self._pollers.append(
                self._poller(slots, identity.sticky_queue, TaskQueueKind.TASK_QUEUE_KIND_STICKY)
            )

    def start(self) -> None:
        """Begin to poll."""
        if self._local_activities is not None:
            self._local_activities.open()
        for poller in self._pollers:
            poller.start()

    def stop(self) -> None:
        """Finish what is being worked on, then forget all runs."""
        if self._stopping:
            return
        self._stopping = True
        for poller in self._pollers:
            poller.stop()
        for run in list(self._runs.values()):
            if run.is_idle:
                self._evict(run, "Worker shutdown", _Evict.LANG_REQUESTED)
        self._end_if_done()

    async def next_activation(self) -> WorkflowActivation | None:
        """The next activation for the workflows' code; None once the worker has stopped."""
        activation = await self._activations.take()
        if activation is None:
            self._activations.put(None)
        return activation

    def try_reserve(self) -> Permit[WorkflowSlotInfo] | None:
        """A slot for a task that comes without a poll, if there is one at once."""
        return None if self._stopping else self._slots.try_reserve()

    def take(
        self, response: PollWorkflowTaskQueueResponse, permit: Permit[WorkflowSlotInfo]
    ) -> None:
        """Take on a workflow task."""
        permit.use(lambda: _slot_info(response))
        self._take_task(WorkflowTask(response, permit, self._requests.now()))

    def completed(self, completion: WorkflowActivationCompletion) -> None:
        """The code's answer to an activation."""
        run = self._runs.get(completion.run_id)
        if run is None:
            return
        self._runs.move_to_end(run.run_id)
        if completion.HasField("failed"):
            outcome = run.failed(completion.failed, _Evict.LANG_FAIL, by_itself=False)
        else:
            outcome = run.succeeded(completion.successful)
        self._deal_with(run, outcome, by_itself=False)

    def local_activity_ended(self, ended: FinishedLocalActivity) -> None:
        """A local activity has come to its end."""
        run = self._runs.get(ended.run_id)
        if run is not None:
            self._perform(run, run.local_activity_ended(ended))

    def evict(
        self,
        run_id: str,
        message: str = "Requested by lang",
        reason: _Evict.ValueType = _Evict.LANG_REQUESTED,
    ) -> None:
        """Forget a run as soon as there is nothing to do for it."""
        run = self._runs.get(run_id)
        if run is not None:
            self._evict(run, message, reason)

    # -- tasks --------------------------------------------------------------------------------

    def _poller(
        self, slots: Slots[WorkflowSlotInfo], queue: str, kind: TaskQueueKind.ValueType
    ) -> Poller[PollWorkflowTaskQueueResponse, WorkflowSlotInfo]:
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
                worker_version_capabilities=identity.version.capabilities,
                deployment_options=identity.version.deployment,
            ),
            PollWorkflowTaskQueueResponse,
            slots,
            self.take,
            sticky=sticky,
        )

    def _take_task(self, task: WorkflowTask) -> None:
        run_id = task.response.workflow_execution.run_id
        self._drop_outdated(task)
        run = self._runs.get(run_id)
        if run is not None and run.is_busy:
            run.waiting.add(task)
            return
        if run is None and len(self._runs) >= max(self._settings.cache_size, 1):
            self._room_needed.setdefault(run_id, deque()).append(task)
            self._make_room()
            return
        self._begin(run, task)

    def _begin(self, run: CachedRun | None, task: WorkflowTask) -> None:
        fetch = HistoryFetch(
            self._requests, self._identity.namespace, task.response, is_cached=run is not None
        )
        is_late = False

        def take(fetched: Fetched) -> None:
            if is_late:
                self._fetched_late(run, task, fetched)
            else:
                self._fetching.remove(task)
                self._begin_with(run, task, fetched)

        self._fetching.append(task)
        fetch.begin(take)
        is_late = True

    def _begin_with(self, run: CachedRun | None, task: WorkflowTask, fetched: Fetched) -> None:
        if not isinstance(fetched, list):
            self._cannot_begin(run, task, f"Fetching history failed: {fetched}")
            return
        if run is None:
            run = self._new_run(task.response)
        self._runs.move_to_end(run.run_id)
        self._perform(run, run.begin(task, fetched))

    def _fetched_late(self, run: CachedRun | None, task: WorkflowTask, fetched: Fetched) -> None:
        """Much may have happened since the history was asked for."""
        if task not in self._fetching:
            return
        self._fetching.remove(task)
        is_full = run is None and len(self._runs) >= max(self._settings.cache_size, 1)
        is_outdated = self._runs.get(task.response.workflow_execution.run_id) is not run
        if is_outdated or is_full or (run is not None and run.is_busy):
            self._take_task(task)
        else:
            self._begin_with(run, task, fetched)
        self._end_if_done()

    def _drop_outdated(self, newer: WorkflowTask) -> None:
        """Tasks are over whose history is still on its way when their run gets a newer one."""
        run_id, started = newer.response.workflow_execution.run_id, newer.response.started_event_id
        for task in list(self._fetching):
            if (
                task.response.workflow_execution.run_id == run_id
                and 0 < task.response.started_event_id < started
            ):
                self._fetching.remove(task)
                task.permit.release()

    def _cannot_begin(self, run: CachedRun | None, task: WorkflowTask, message: str) -> None:
        if run is not None:
            run.unbegun_task = task
            self._evict(run, message, _Evict.PAGINATION_OR_HISTORY_FETCH)
            return
        failure = CompletionFailure(failure=application_failure(message, non_retryable=True))
        cause = Cause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
        self._reports.report(
            FailTask(task, cause, failure, is_query=False), lambda _: task.permit.release()
        )

    def _new_run(self, response: PollWorkflowTaskQueueResponse) -> CachedRun:
        identity, execution = self._identity, response.workflow_execution
        run = CachedRun(
            WorkflowMachines(
                RunIdentity(
                    namespace=identity.namespace,
                    workflow_id=execution.workflow_id,
                    workflow_type=response.workflow_type.name,
                    run_id=execution.run_id,
                    task_queue=identity.task_queue,
                ),
                Flags(identity.sdk_name, identity.sdk_version),
                VersionOfTask(identity.version),
                self._requests.now,
            ),
            self._local_activities,
            self._run_settings,
        )
        self._runs[run.run_id] = run
        return run

    # -- steps --------------------------------------------------------------------------------

    def _perform(self, run: CachedRun, step: Step) -> None:
        """Do what a run says is to be done next, and what follows from it."""
        self._steps.append((run, step))
        if self._is_stepping:
            return
        self._is_stepping = True
        try:
            while self._steps:
                self._do(*self._steps.popleft())
        finally:
            self._is_stepping = False
        self._end_if_done()

    def _do(self, run: CachedRun, step: Step) -> None:
        if isinstance(step, WorkflowActivation):
            waits_for_code = run.task is None or run.machines.local_activities.outstanding
            if waits_for_code and not run.is_being_forgotten:
                # For the service nobody works on a task, or its task waits for time. The workflow's
                # code does something now all the same.
                self._holds[run.run_id] = self._requests.hold_time("a workflow is activated")
            self._activations.put(step)
        elif isinstance(step, AnswerByItself):
            self._deal_with(run, run.succeeded(Success()), by_itself=True)
        elif isinstance(step, FailByItself):
            outcome = run.failed(step.failure, _Evict.UNSPECIFIED, by_itself=True)
            self._deal_with(run, outcome, by_itself=True)
        elif not run.is_busy:
            waiting = run.waiting.next()
            if waiting is not None:
                self._begin(run, waiting)
                # Until now the run was not to be forgotten.
                self._make_room()
            elif self._stopping:
                self._evict(run, "Worker shutdown", _Evict.LANG_REQUESTED)

    def _deal_with(self, run: CachedRun, outcome: Outcome, *, by_itself: bool) -> None:
        """Tell the server what there is to tell, and see how it goes on."""
        if (
            not self._settings.cache_size
            and not run.waits_for_local_activities
            and not run.has_more_for_code
        ):
            self._evict(run, "Workflow cache full", _Evict.CACHE_FULL)
        self._reports.report(
            outcome, lambda report: self._after_report(run, report, by_itself=by_itself)
        )

    def _after_report(self, run: CachedRun, report: Report, *, by_itself: bool) -> None:
        if report.eviction is not None:
            self._evict(run, "Error reporting WFT to server", report.eviction)
        self._after_answer(run, report, by_itself=by_itself)

    def _after_answer(self, run: CachedRun, report: Report, *, by_itself: bool) -> None:
        task = run.answered(
            reported=report.reported, dropped=report.dropped, reset_to=report.reset_to
        )
        next_task = None
        if report.next_task is not None and task is not None:
            next_task = WorkflowTask(report.next_task, task.permit, self._requests.now())
        elif task is not None:
            task.permit.release()
        hold = self._holds.pop(run.run_id, None)
        if run.activation_returned(by_itself=by_itself):
            self._forget(run, next_task)
        elif next_task is not None:
            self._take_task(next_task)
            if run.evicting is not None:
                # The task waits until the run is forgotten, which the task before had put off.
                self._perform(run, run.go_on())
        else:
            step = run.go_on()
            if step is None and run.machines.finished and report.reported:
                step = run.evict(
                    RemoveFromCache(
                        message="Workflow completed", reason=_Evict.WORKFLOW_EXECUTION_ENDING
                    )
                )
            self._perform(run, step)
        if hold is not None:
            hold.release()

    def _heartbeat_at(self, when: Nanoseconds, run_id: str) -> DueTime:
        def beat() -> None:
            run = self._runs.get(run_id)
            if run is not None:
                self._perform(run, run.heartbeat_is_due())

        return self._requests.at(when, beat)

    # -- cache --------------------------------------------------------------------------------

    def _evict(self, run: CachedRun, message: str, reason: _Evict.ValueType) -> None:
        self._perform(run, run.evict(RemoveFromCache(message=message, reason=reason)))

    def _make_room(self) -> None:
        """Evict the runs that were used longest ago, one for each task that waits for room."""
        if not self._room_needed:
            return
        needed = len(self._room_needed) - sum(
            run.evicting is not None for run in self._runs.values()
        )
        for run in list(self._runs.values()):
            if needed <= 0:
                return
            if run.evicting is None and not run.waiting:
                needed -= 1
                self._evict(run, "Workflow cache full", _Evict.CACHE_FULL)

    def _forget(self, run: CachedRun, next_task: WorkflowTask | None) -> None:
        """The code has forgotten the run; so does the cache. There is room for another."""
        del self._runs[run.run_id]
        run.machines.let_go()
        if run.task is not None:
            run.task.permit.release()
        # Of those that wait the core keeps the first alone. It is seldom that there are more, unless
        # all that a test sends arrives at one instant; and nobody would ask a lost query again.
        tasks = deque(iter(run.waiting.next, None))
        if next_task is not None:
            tasks.append(next_task)
        if run.task is not None and not (tasks or run.task.has_legacy_query):
            # It waited for a local activity when it was forgotten: it can only time out.
            self._requests.abandon_workflow_task(run.run_id)
        if not tasks and self._room_needed:
            _, tasks = self._room_needed.popitem(last=False)
        for task in tasks:
            self._take_task(task)
        self._make_room()
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._stopping and not (self._runs or self._room_needed or self._fetching):
            self._stopping_done()

    def _stopping_done(self) -> None:
        if self._local_activities is not None:
            self._local_activities.stop()
        self._activities.workflows_have_stopped()
        self._activations.put(None)


def _slot_info(response: PollWorkflowTaskQueueResponse) -> WorkflowSlotInfo:
    first = response.history.events[0].event_id if response.history.events else 0
    return WorkflowSlotInfo(workflow_type=response.workflow_type.name, is_sticky=first != 1)
