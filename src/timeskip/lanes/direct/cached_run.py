"""A run that a worker has in its memory, and the workflow task that it is working on.

The worker tells it what happens: a task comes, the workflow's code answers an activation, a local
activity ends, the run is to be forgotten. It says what is to be done next: hand an activation to
the code, answer the task. Nothing here waits, and nothing here talks to the server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.bridge.proto.workflow_activation import (
    QueryWorkflow,
    RemoveFromCache,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import QueryResult, WorkflowCommand
from temporalio.bridge.proto.workflow_completion import Failure as CompletionFailure
from temporalio.bridge.proto.workflow_completion import Success

from timeskip.clock import DueTime, Nanoseconds
from timeskip.lanes.direct import rust_text
from timeskip.lanes.direct.flags import MOVE_TERMINAL_COMMANDS
from timeskip.lanes.direct.local_activities import FinishedLocalActivity, LocalActivities
from timeskip.lanes.direct.machines.machine import FatalError, NondeterminismError
from timeskip.lanes.direct.task_outcomes import (
    LEGACY_QUERY,
    AnswerQuery,
    CompleteTask,
    FailTask,
    Outcome,
    WaitingTasks,
    WorkflowTask,
    application_failure,
)
from timeskip.lanes.direct.workflow_commands import TERMINAL
from timeskip.lanes.direct.workflow_machines import WorkflowMachines

_Evict = RemoveFromCache.EvictionReason

#: With local activities still running, a task is answered when so much of its timeout has passed.
_HEARTBEAT_AFTER = 0.8


class AnswerByItself:
    """There is nothing for the workflow's code to do: go on as if it had answered with nothing."""


@dataclass
class FailByItself:
    """Go on as if the workflow's code had answered with this failure."""

    failure: CompletionFailure


#: What is to be done next; None if somebody else has to do something first.
Step: TypeAlias = "WorkflowActivation | AnswerByItself | FailByItself | None"


class _Out(Enum):
    """The kind of activation that has not been answered yet."""

    NORMAL = auto()
    EVICTION = auto()
    LEGACY_QUERY = auto()
    NONE_FOR_CODE = auto()


@dataclass
class _LocalWait:
    """A task that waits for local activities, and the time at which it is answered nevertheless."""

    task_timeout: Nanoseconds
    heartbeat: DueTime | None
    heartbeat_is_due: bool = False

    def stop_heartbeat(self) -> None:
        if self.heartbeat is not None:
            self.heartbeat.cancel()
            self.heartbeat = None


@dataclass(frozen=True)
class RunSettings:
    """What the worker's configuration says about its runs."""

    #: Whether a workflow of this type fails if it is nondeterministic, and not only its task.
    fails_if_nondeterministic: Callable[[str], bool]
    #: Calls back at an instant, with the id of the run.
    heartbeat_at: Callable[[Nanoseconds, str], DueTime]


class CachedRun:
    """What a worker holds of one run. At most one activation is out at any time."""

    def __init__(
        self,
        machines: WorkflowMachines,
        local_activities: LocalActivities | None,
        settings: RunSettings,
    ) -> None:
        self.machines = machines
        self.run_id = machines.run.run_id
        self.task: WorkflowTask | None = None
        self.waiting = WaitingTasks()
        #: Why the run is to be forgotten, if it is.
        self.evicting: RemoveFromCache | None = None
        #: A task that could not even be begun; it is failed when the run is forgotten.
        self.unbegun_task: WorkflowTask | None = None
        self._local_activities = local_activities
        self._settings = settings
        self._out: _Out | None = None
        self._broken = False
        self._local_wait: _LocalWait | None = None
        self._activation_is_out = False
        self._between_tasks = False
        self._deferred: list[FinishedLocalActivity] = []

    # -- what the worker asks -----------------------------------------------------------------

    @property
    def activation_is_out(self) -> bool:
        """Whether the workflow's code has something to do."""
        return self._out is not None

    @property
    def is_being_forgotten(self) -> bool:
        """Whether what the workflow's code has to do is to forget the run."""
        return self._out is _Out.EVICTION

    @property
    def waits_for_local_activities(self) -> bool:
        """Whether the task cannot be answered before local activities end."""
        return self._local_wait is not None

    @property
    def has_more_for_code(self) -> bool:
        """Whether there are jobs for the workflow, and a task to which its answer belongs."""
        return self.task is not None and self.machines.has_jobs

    @property
    def is_busy(self) -> bool:
        """Whether a new task has to wait."""
        return (
            self._out is not None
            or self.evicting is not None
            or self.task is not None
            or self.has_more_for_code
        )

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do for the run at all."""
        return not self.is_busy and not self.waiting

    # -- what happens -------------------------------------------------------------------------

    def begin(self, task: WorkflowTask, events: Sequence[HistoryEvent]) -> Step:
        """Take on a task; the run has none."""
        return self._next(lambda: self._begin(task, events))

    def go_on(self) -> Step:
        """See whether there is anything to do."""
        return self._next(self._more)

    def local_activity_ended(self, ended: FinishedLocalActivity) -> Step:
        """A local activity of the run has come to its end."""
        return self._next(lambda: self._local_activity_ended(ended))

    def heartbeat_is_due(self) -> Step:
        """The task cannot wait for local activities any longer."""
        return self._next(self._heartbeat_is_due)

    def evict(self, reason: RemoveFromCache) -> Step:
        """Have the workflow's code forget the run, as soon as it has finished what it has to do."""
        if self.evicting is not None or self._out is _Out.EVICTION:
            self.evicting = reason
            return None
        if (
            reason.reason not in (_Evict.CACHE_FULL, _Evict.WORKFLOW_EXECUTION_ENDING)
            and not self._works_on_legacy_query
            and self.task is not None
        ):
            self.task.queries.clear()
        self.evicting = reason
        return self.go_on()

    def succeeded(self, success: Success) -> Outcome:
        """The workflow's code has answered with commands."""
        return self._succeeded(
            list(success.commands),
            list(success.used_internal_flags),
            success.versioning_behavior,
            is_forced_failure=False,
        )

    def failed(
        self, failure: CompletionFailure, reason: _Evict.ValueType, *, by_itself: bool
    ) -> Outcome:
        """The workflow's code, or the core itself, could not handle an activation."""
        cause = (
            failure.force_cause
            or Cause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
        )
        return self._failed(cause, reason, failure, by_itself=by_itself)

    def answered(self, *, reported: bool, dropped: bool, reset_to: int) -> WorkflowTask | None:
        """What the code answered has been dealt with. Returns the task if it is over with that."""
        if not (reported or dropped or self.machines.seen_final_event):
            return None
        task = self.task
        if task is None or task.queries:
            return None
        self.task = None
        if reported:
            if reset_to:
                self.machines.reset_started(reset_to)
            if self._local_activities is not None:
                self._local_activities.task_reported(self.run_id)
        return task

    def activation_returned(self, *, by_itself: bool) -> bool:
        """The activation that was out is done with. True if the code has forgotten the run."""
        if by_itself and self._out is not _Out.NONE_FOR_CODE:
            return False
        evicted = self._out is _Out.EVICTION
        self._out = None
        if evicted and self._local_activities is not None:
            self._local_activities.forget_run(self.run_id)
        return evicted

    # -- tasks --------------------------------------------------------------------------------

    def _begin(self, task: WorkflowTask, events: Sequence[HistoryEvent]) -> Step:
        response = task.response
        task.queries = dict(response.queries)
        if response.HasField("query"):
            task.queries[LEGACY_QUERY] = response.query
        self.task = task
        if self._local_wait is not None:
            self._local_wait.stop_heartbeat()
            self._local_wait.heartbeat_is_due = False
        if (
            task.is_query_only
            and response.previous_started_event_id < self.machines.started_event_id
        ):
            return _fail_by_itself(FatalError("Query expired"))
        self.machines.take_task(events, response.previous_started_event_id, response.messages)
        self._between_tasks = False
        self._apply_deferred()
        activation = self._next_activation()
        if activation.jobs:
            return activation
        if not self.machines.local_activities.outstanding:
            return AnswerByItself()
        assert self._local_wait is not None
        self._local_wait.stop_heartbeat()
        self._local_wait.heartbeat = self._heartbeat(task, self._local_wait.task_timeout)
        return None

    def _next(self, step: Callable[[], Step]) -> Step:
        """Do something that may lead to an activation, and see to what else there is."""
        try:
            done = step()
            if done is None and self.has_more_for_code:
                done = self._more()
        except (NondeterminismError, FatalError) as error:
            self._broken = True
            done = _fail_by_itself(error)
            self._out = _Out.NONE_FOR_CODE
            return done
        if done is None:
            done = self._eviction()
        if (done is None or isinstance(done, AnswerByItself)) and not self._has_pending_work:
            # The worker looks into `waiting` and begins the next task.
            return None
        self._note_out(done)
        return done

    @property
    def _has_pending_work(self) -> bool:
        return (
            self.task is not None
            or self.has_more_for_code
            or self._out is not None
            or self.evicting is not None
        )

    def _note_out(self, step: Step) -> None:
        if step is None:
            return
        assert self._out is None
        if not isinstance(step, WorkflowActivation):
            self._out = _Out.NONE_FOR_CODE
            return
        first = step.jobs[0]
        variant = first.WhichOneof("variant")
        if variant == "remove_from_cache":
            self._out = _Out.EVICTION
        elif variant == "query_workflow" and first.query_workflow.query_id == LEGACY_QUERY:
            self._out = _Out.LEGACY_QUERY
        else:
            self._out = _Out.NORMAL

    def _more(self) -> Step:
        task = self.task
        if self._out is not None or task is None:
            return None
        machines = self.machines
        if machines.has_jobs and not self._broken:
            return self._next_activation()
        wait = self._local_wait
        if wait is not None and not machines.local_activities.outstanding:
            wait.stop_heartbeat()
            self._local_wait = None
            return AnswerByItself()
        if task.queries and not self._broken:
            return self._queries(task)
        return AnswerByItself() if wait is not None and wait.heartbeat_is_due else None

    def _next_activation(self) -> WorkflowActivation:
        activation = self.machines.activation()
        if not activation.jobs:
            self.machines.apply_next()
            activation = self.machines.activation()
        self._activation_is_out = bool(activation.jobs)
        return activation

    def _queries(self, task: WorkflowTask) -> WorkflowActivation:
        activation = self.machines.activation()
        queries, task.queries = task.queries, {}
        activation.jobs.extend(
            WorkflowActivationJob(query_workflow=_query(query_id, query))
            for query_id, query in queries.items()
        )
        return activation

    def _eviction(self) -> WorkflowActivation | None:
        """The activation that has the code forget the run, if that is all there is left to do."""
        if self.evicting is None or self._out is not None:
            return None
        if not self._broken and self.has_more_for_code:
            return None
        self._stop_waiting()
        if self._local_activities is not None:
            self._local_activities.cancel_run(self.run_id)
        return WorkflowActivation(
            run_id=self.run_id,
            history_length=self.machines.last_event_id,
            jobs=[WorkflowActivationJob(remove_from_cache=self.evicting)],
        )

    @property
    def _works_on_legacy_query(self) -> bool:
        return self._out is _Out.LEGACY_QUERY or (
            self.task is not None and self.task.has_legacy_query
        )

    # -- answers of the code ------------------------------------------------------------------

    def _succeeded(
        self,
        commands: list[WorkflowCommand],
        used_flags: list[int],
        versioning_behavior: int,
        *,
        is_forced_failure: bool,
    ) -> Outcome:
        is_eviction = self._out is _Out.EVICTION
        task = self.task
        if task is None:
            return self._failure_of_unbegun()
        if _answers_legacy_query(commands):
            return AnswerQuery(task, commands[0].respond_to_query)
        has_pending_query = bool(task.queries)
        asked, results = self._in_order(commands)
        answer = CompleteTask(task, [], [], results, False, versioning_behavior)
        self.machines.flags.add_lang(used_flags)
        if is_eviction:
            return self._completion(
                answer, is_playback=has_pending_query and not results, is_eviction=True
            )
        beats = self._local_wait is not None and (
            self._out is _Out.NONE_FOR_CODE or self._local_wait.heartbeat_is_due
        )
        answers_heartbeat = self._local_wait is not None and self._out is _Out.NONE_FOR_CODE
        try:
            self._process(asked)
            self._stop_waiting()
            if self.machines.local_activities.outstanding:
                answer.force_new_task = beats or bool(results)
                self._wait_for_local_activities(
                    task, keeps_task=not answer.force_new_task, heartbeat_is_due=beats
                )
                if not answer.force_new_task:
                    return None
            else:
                answer.force_new_task = answers_heartbeat
        except NondeterminismError as error:
            return self._failed_with(error, _Evict.NONDETERMINISM)
        except FatalError as error:
            return self._failed_with(error, _Evict.FATAL)
        return self._completion(
            answer,
            is_playback=has_pending_query and not results,
            is_forced_failure=is_forced_failure,
        )

    def _process(self, asked: list[WorkflowCommand]) -> None:
        """Let the machines have the commands, and get on with the history if there is more."""
        machines = self.machines
        machines.take_commands(asked)
        self._activation_is_out = False
        self._apply_deferred()
        if not self._broken:
            while not machines.has_jobs:
                applied = machines.apply_next()
                if applied == 0 or not machines.replaying:
                    break
        self._want_local_activities()

    def _completion(
        self,
        answer: CompleteTask,
        *,
        is_playback: bool,
        is_eviction: bool = False,
        is_forced_failure: bool = False,
    ) -> Outcome:
        """The answer to the task, unless there is more to do before."""
        machines = self.machines
        may_report_eviction = is_eviction and not self._broken and machines.has_output
        if may_report_eviction and machines.local_activities.outstanding:
            answer.force_new_task = True
        should_answer = not (
            machines.has_jobs
            or (machines.replaying and not is_forced_failure)
            or is_playback
            or (is_eviction and not may_report_eviction)
            or machines.seen_final_event
        )
        if answer.query_results and machines.has_local_resolutions:
            # The workflow will act upon them, and needs a task for that.
            answer.force_new_task = True
        if not (should_answer or answer.query_results):
            return None
        answer.commands = machines.commands()
        answer.messages = machines.take_messages()
        answer.sdk_metadata = machines.flags.for_completion()
        # A query before any news is told so.
        machines.version.use_own()
        if self._local_activities is not None:
            answer.further_local_attempts = self._local_activities.further_attempts(self.run_id)
        self._between_tasks = True
        return answer

    def _in_order(
        self, commands: list[WorkflowCommand]
    ) -> tuple[list[WorkflowCommand], list[QueryResult]]:
        """The commands, the end of the run last if there is one; results of queries apart."""
        machines = self.machines
        asked: list[WorkflowCommand] = []
        results: list[QueryResult] = []
        ends: list[int] = []
        for command in commands:
            variant = command.WhichOneof("variant")
            if variant == "respond_to_query":
                results.append(command.respond_to_query)
                continue
            if variant in TERMINAL:
                ends.append(len(asked))
            asked.append(command)
        if not ends:
            return asked, results
        if machines.replaying and not machines.flags.try_use(MOVE_TERMINAL_COMMANDS, record=False):
            return asked[: ends[0] + 1], results
        last = asked[ends[0]]
        rest = [command for index, command in enumerate(asked) if index not in ends]
        return [*rest, last], results

    def _failure_of_unbegun(self) -> Outcome:
        """The run is forgotten because its task could not be begun: fail that one."""
        task, self.unbegun_task = self.unbegun_task, None
        if task is None or self.evicting is None:
            return None
        failure = CompletionFailure(
            failure=application_failure(self.evicting.message, non_retryable=True)
        )
        cause = Cause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
        return FailTask(task, cause, failure, is_query=False)

    def _failed_with(
        self, error: NondeterminismError | FatalError, reason: _Evict.ValueType
    ) -> Outcome:
        self._broken = True
        failure = failure_of(error)
        cause = (
            failure.force_cause
            or Cause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
        )
        return self._failed(cause, reason, failure, by_itself=True)

    def _failed(
        self,
        cause: Cause.ValueType,
        reason: _Evict.ValueType,
        failure: CompletionFailure,
        *,
        by_itself: bool,
    ) -> Outcome:
        task = self.task
        if task is None:
            return None
        is_query = self._works_on_legacy_query
        passes = (_Evict.UNSPECIFIED, _Evict.PAGINATION_OR_HISTORY_FETCH)
        may_be_retried = is_query and by_itself and reason in passes
        if not may_be_retried:
            message = f"Workflow activation completion failed: {rust_text.full(failure)}"
            self.evict(RemoveFromCache(message=message, reason=reason))
        if (
            not is_query
            and task.response.attempt <= 1
            and cause == Cause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
            and self._settings.fails_if_nondeterministic(self.machines.run.workflow_type)
        ):
            command = WorkflowCommand()
            command.fail_workflow_execution.failure.CopyFrom(failure.failure)
            return self._succeeded([command], [], 0, is_forced_failure=True)
        return FailTask(task, cause, failure, is_query, may_be_retried)

    # -- local activities ---------------------------------------------------------------------

    def _local_activity_ended(self, ended: FinishedLocalActivity) -> Step:
        is_about_to_go = self.evicting is not None and self._out is None
        if self._out is _Out.EVICTION or (is_about_to_go and not self.has_more_for_code):
            return self._more()
        self._apply(ended)
        return self._more()

    def _heartbeat_is_due(self) -> Step:
        if self._local_wait is None:
            return None
        self._local_wait.stop_heartbeat()
        self._local_wait.heartbeat_is_due = True
        return AnswerByItself() if self._out is None else None

    def _want_local_activities(self) -> None:
        """Have the worker start and stop what the workflow wants to be started and stopped."""
        wanted = self.machines.local_activities.take()
        manager = self._local_activities
        if manager is None:
            return
        if wanted.cancel_all:
            manager.cancel_run(self.run_id)
        ended = [manager.cancel(self.run_id, seq) for seq in wanted.cancel]
        ended += [manager.start(self.machines.run, schedule) for schedule in wanted.start]
        for one in ended:
            if one is not None:
                self._apply(one)

    def _apply(self, ended: FinishedLocalActivity) -> None:
        """Let the machines know of an end: now, or at the next moment that a replay has as well.

        A replay hears of it after the workflow has answered an activation, or with a new task.
        """
        if self._activation_is_out or self._between_tasks:
            self._deferred.append(ended)
        else:
            self.machines.resolve_local_activity(ended.seq, ended.resolution, ended.runtime)

    def _apply_deferred(self) -> None:
        if self._activation_is_out or self._between_tasks:
            return
        deferred, self._deferred = self._deferred, []
        for ended in deferred:
            self._apply(ended)

    def _wait_for_local_activities(
        self, task: WorkflowTask, *, keeps_task: bool, heartbeat_is_due: bool
    ) -> None:
        """Wait for local activities: with this task, or with the one that follows it."""
        started = self.machines.started
        if started is None or not started.HasField("workflow_task_timeout"):
            raise FatalError("Workflow's start attribs were missing a well formed task timeout")
        timeout = started.workflow_task_timeout.ToNanoseconds()
        heartbeat = self._heartbeat(task, timeout) if keeps_task else None
        self._local_wait = _LocalWait(timeout, heartbeat, heartbeat_is_due)

    def _heartbeat(self, task: WorkflowTask, timeout: Nanoseconds) -> DueTime:
        return self._settings.heartbeat_at(
            task.start_time + int(timeout * _HEARTBEAT_AFTER), self.run_id
        )

    def _stop_waiting(self) -> None:
        if self._local_wait is not None:
            self._local_wait.stop_heartbeat()
            self._local_wait = None


def _answers_legacy_query(commands: Sequence[WorkflowCommand]) -> bool:
    return (
        len(commands) == 1
        and commands[0].HasField("respond_to_query")
        and commands[0].respond_to_query.query_id == LEGACY_QUERY
    )


def failure_of(error: NondeterminismError | FatalError) -> CompletionFailure:
    """An error of the machines, in the core's words."""
    if isinstance(error, NondeterminismError):
        return CompletionFailure(
            failure=application_failure(f"[TMPRL1100] Nondeterminism error: {error}"),
            force_cause=Cause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
        )
    return CompletionFailure(
        failure=application_failure(f"Fatal error in workflow machines: {error}")
    )


def _fail_by_itself(error: NondeterminismError | FatalError) -> FailByItself:
    return FailByItself(failure_of(error))


def _query(query_id: str, query: WorkflowQuery) -> QueryWorkflow:
    job = QueryWorkflow(
        query_id=query_id, query_type=query.query_type, arguments=query.query_args.payloads
    )
    for name, payload in query.header.fields.items():
        job.headers[name].CopyFrom(payload)
    return job
