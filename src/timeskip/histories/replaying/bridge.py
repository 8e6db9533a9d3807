"""What a `temporalio.worker.Replayer` takes for the SDK's core, on the direct lane's machines.

The core says only that history and code differ. Here it is known where, and by which command. The
SDK's Python half, with all its options, is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import temporalio.bridge.worker
from temporalio.api.enums.v1 import EventType
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueResponse
from temporalio.bridge.proto.workflow_activation import (
    QueryWorkflow,
    RemoveFromCache,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import QueryResult
from temporalio.bridge.proto.workflow_completion import Success, WorkflowActivationCompletion

from timeskip.clock import VirtualClock
from timeskip.histories.replaying.bridges import use_bridge
from timeskip.histories.replaying.local_timeouts import (
    AS_THE_CORE_TELLS,
    Timeouts,
    tell_as_at_first,
)
from timeskip.histories.replaying.machines import ObservedMachines
from timeskip.lanes.direct.cached_run import (
    AnswerByItself,
    CachedRun,
    FailByItself,
    RunSettings,
    Step,
)
from timeskip.lanes.direct.flags import Flags
from timeskip.lanes.direct.slots import Permit
from timeskip.lanes.direct.task_outcomes import Outcome, WorkflowTask
from timeskip.lanes.direct.versioning import VersionOfTask, WorkerVersion
from timeskip.lanes.direct.workflow_machines import RunIdentity

_Evict = RemoveFromCache.EvictionReason

_REASONS = {
    Cause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR: _Evict.NONDETERMINISM,
}


class ReplayBridge:
    """Replays one history. Its methods are those that the SDK's Python half calls.

    Args:
        on_begun: Told of the machines before the workflow's code runs.
        on_answer: Told of each answer of the workflow's code before the machines take it.
        on_replayed: Called when all of the history is replayed; the workflow lives until `let_go`.
        is_all_replayed: Whether the last task counts as a replay even if it has not completed.
        timeouts: What the workflow is told of local activities that timed out.
    """

    def __init__(
        self,
        on_begun: Callable[[ObservedMachines], None],
        on_answer: Callable[[WorkflowActivationCompletion], None],
        on_replayed: Callable[[], Any] | None = None,
        *,
        is_all_replayed: bool = False,
        timeouts: Timeouts = AS_THE_CORE_TELLS,
    ) -> None:
        self._on_begun = on_begun
        self._on_answer = on_answer
        self._on_replayed = on_replayed
        self._is_all_replayed = is_all_replayed
        self._timeouts = timeouts
        self._activations: asyncio.Queue[WorkflowActivation | None] = asyncio.Queue()
        self._run: CachedRun
        self._query: asyncio.Future[QueryResult] | None = None
        self._queries = 0

    # -- what feeds it ------------------------------------------------------------------------

    async def push_history(self, workflow_id: str, serialized: bytes) -> None:
        events = list(History.FromString(serialized).events)
        started = events[0].workflow_execution_started_event_attributes
        self._run = CachedRun(
            ObservedMachines(
                RunIdentity(
                    namespace="",
                    workflow_id=workflow_id,
                    workflow_type=started.workflow_type.name,
                    run_id=started.original_execution_run_id,
                    task_queue=started.task_queue.name,
                ),
                Flags("", ""),
                VersionOfTask(WorkerVersion("")),
                now=lambda: 0,
            ),
            local_activities=None,
            settings=RunSettings(
                fails_if_nondeterministic=lambda workflow_type: False,
                heartbeat_at=lambda when, run_id: VirtualClock(0).schedule(when, lambda: None),
            ),
        )
        self._on_begun(self.machines)
        self._perform(self._run.begin(self._whole_task(events), events))

    def close(self) -> None:
        """No more histories: the worker ends."""
        self._activations.put_nowait(None)

    @property
    def machines(self) -> ObservedMachines:
        """Those of the history that was pushed."""
        return cast(ObservedMachines, self._run.machines)

    async def query(self, query: QueryWorkflow) -> QueryResult:
        """Ask the workflow, once all is replayed."""
        self._query = asyncio.get_running_loop().create_future()
        self._queries += 1
        query.query_id = f"query-{self._queries}"
        activation = self._run.machines.activation()
        activation.jobs.append(WorkflowActivationJob(query_workflow=query))
        self._activations.put_nowait(activation)
        return await self._query

    # -- what the SDK calls -------------------------------------------------------------------

    async def poll_workflow_activation(self) -> WorkflowActivation:
        activation = await self._activations.get()
        if activation is None:
            raise temporalio.bridge.worker.PollShutdownError  # type: ignore[attr-defined]
        tell_as_at_first(activation, self._timeouts)
        return activation

    async def complete_workflow_activation(self, completion: WorkflowActivationCompletion) -> None:
        if self._query is not None:
            waiting, self._query = self._query, None
            waiting.set_result(_answer_of(completion))
            return
        self._on_answer(completion)
        if completion.HasField("failed"):
            outcome = self._run.failed(completion.failed, _Evict.LANG_FAIL, by_itself=False)
        else:
            outcome = self._run.succeeded(completion.successful)
        self._perform(self._after(outcome, by_itself=False))

    def initiate_shutdown(self) -> None:
        """Nothing runs that would have to be told."""

    async def finalize_shutdown(self) -> None:
        """Nothing outlives the replay."""

    # -- how it goes on -----------------------------------------------------------------------

    def _perform(self, step: Step | bool) -> None:
        """Do what is to be done next, and what follows from it. True: the run is forgotten."""
        while not isinstance(step, (WorkflowActivation, bool)):
            if isinstance(step, AnswerByItself):
                step = self._after(self._run.succeeded(Success()), by_itself=True)
            elif isinstance(step, FailByItself):
                reason = _REASONS.get(step.failure.force_cause, _Evict.FATAL)
                outcome = self._run.failed(step.failure, reason, by_itself=True)
                step = self._after(outcome, by_itself=True)
            elif self._on_replayed is not None:
                on_replayed, self._on_replayed = self._on_replayed, None
                on_replayed()
                return
            else:
                step = self._run.evict(
                    RemoveFromCache(message="The history has ended", reason=_Evict.LANG_REQUESTED)
                )
        if isinstance(step, WorkflowActivation):
            self._activations.put_nowait(step)

    def _after(self, outcome: Outcome, *, by_itself: bool) -> Step | bool:
        run = self._run
        run.answered(reported=outcome is not None, dropped=False, reset_to=0)
        if run.activation_returned(by_itself=by_itself):
            return True
        return run.go_on()

    def let_go(self) -> None:
        """Forget the workflow that was kept when all was replayed."""
        self._perform(None)

    def _whole_task(self, events: list[HistoryEvent]) -> WorkflowTask:
        """A task that brings all of a history. What is recorded of completed tasks is a replay."""
        completed = started = 0
        for event, following in zip(events, [*events[1:], None], strict=True):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                if following is None or (
                    following.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
                ):
                    started = event.event_id
                if following is not None or self._is_all_replayed:
                    completed = started
        response = PollWorkflowTaskQueueResponse(
            previous_started_event_id=completed, started_event_id=started, attempt=1
        )
        return WorkflowTask(response, cast("Permit[Any]", None), start_time=0)


def _answer_of(completion: WorkflowActivationCompletion) -> QueryResult:
    if completion.HasField("failed"):
        return QueryResult(failed=completion.failed.failure)
    return completion.successful.commands[0].respond_to_query


def replayed_by(bridge: ReplayBridge) -> None:
    """Have a `Replayer` that is used in this context take the bridge for the core."""
    use_bridge(lambda runtime, config: (bridge, bridge))
