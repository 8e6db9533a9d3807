"""Stands before the SDK's core in a worker of this process, for what the service does not see."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

import temporalio.bridge.worker
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto import ActivityTaskCompletion
from temporalio.bridge.proto.activity_result import ActivityExecutionResult
from temporalio.bridge.proto.activity_result import Failure as ActivityFailure
from temporalio.bridge.proto.activity_task import ActivityTask
from temporalio.bridge.proto.nexus import NexusTask, NexusTaskCompletion
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import Failure as WorkflowFailure
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from timeskip.histories.replaying.ledger import LedgerOfWorker
from timeskip.lanes.core_timeouts import put_right
from timeskip.lanes.local_starts import LocalStarts, cancelled_activity
from timeskip.lanes.own_tasks import OwnTasks, timed_out
from timeskip.lanes.time_keeper import TimeKeeper

if TYPE_CHECKING:
    from timeskip.lanes.worker_registry import WorkerRegistry


class LocalActivityWatch(Protocol):
    """Comes by when a worker begins a local activity, and when it has run one to its end."""

    async def __call__(self, worker: str, task: ActivityTask, *, begins: bool) -> Failure | None:
        """Returns when the worker may go on, perhaps because it is dead by then.

        With a failure, the attempt counts as failed with that.
        """
        ...

    def come_by(
        self,
        worker: str,
        task: ActivityTask,
        *,
        begins: bool,
        settle: Callable[[Failure | None], None],
    ) -> None:
        """The same for a worker in another process: `settle` is called when it may go on."""
        ...


class WatchedBridge:
    """A worker's connection to the SDK's core, watched for what the service does not see.

    The core reports only the first failure of a workflow task and lets later attempts time out. The
    service cannot tell such a task from one that is being worked on, so it is told. Of local
    activities it learns only from what a workflow task brings.

    A worker that was killed goes on to exist until the core has ended. It gets nothing to do.
    """

    def __init__(
        self,
        bridge: temporalio.bridge.worker.Worker,
        keeper: TimeKeeper,
        registry: WorkerRegistry,
        identity: str,
        ledger: LedgerOfWorker,
    ) -> None:
        self._bridge = bridge
        self._keeper = keeper
        self._registry = registry
        self.identity = identity
        self._ledger = ledger
        self.is_dead = False
        #: Set when the core is told to end.
        self.shuts_down = asyncio.Event()
        #: Called just before that.
        self.on_shutdown: Callable[[], None] = lambda: None
        #: Activities whose code will never end.
        self.given_up: set[bytes] = set()
        #: Nexus tasks whose handlers will never end.
        self.given_up_nexus_tasks: set[bytes] = set()
        #: Local activities that have not ended, by their tokens.
        self._local: dict[bytes, ActivityTask] = {}
        self._loop = asyncio.get_running_loop()
        #: What a core that does not know virtual time cannot tell activities.
        self._own_tasks = OwnTasks(bridge.poll_activity_task)
        self._local_starts = LocalStarts(
            bridge.poll_activity_task if keeper.cores_are_simulated else self._own_tasks.next_task,
            self._look_at_local,
            self._drop_local,
        )
        #: What the code of activities has, and has not ended.
        self._with_code: set[bytes] = set()
        #: Activities that the service does not want to hear of, as far as the core knows.
        self._unknown: set[bytes] = set()
        #: Of these, those that have run out of time, though the core does not know.
        self._timed_out: set[bytes] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bridge, name)

    async def complete_workflow_activation(self, completion: WorkflowActivationCompletion) -> None:
        self._ledger.answers(completion)
        if not completion.HasField("failed"):
            await self._bridge.complete_workflow_activation(completion)
            return
        keeper = self._keeper
        run = keeper.service.cluster.runs.get(completion.run_id)
        task = run.workflow_task if run is not None else None
        await self._bridge.complete_workflow_activation(completion)
        if task is not None:
            keeper.loop.call_soon_threadsafe(keeper.abandon, task)

    async def poll_workflow_activation(self) -> WorkflowActivation:
        while True:
            activation = await self._bridge.poll_workflow_activation()
            if not self.is_dead or any(
                job.HasField("remove_from_cache") for job in activation.jobs
            ):
                self._ledger.began(activation)
                return activation
            await self._bridge.complete_workflow_activation(
                WorkflowActivationCompletion(
                    run_id=activation.run_id, failed=WorkflowFailure(failure=_killed())
                )
            )

    async def poll_activity_task(self) -> ActivityTask:
        while True:
            task, failure = await self._local_starts.next_task()
            if task.HasField("cancel"):
                self._note_cancellation(task)
                if task.task_token not in self._with_code:
                    continue  # it has ended meanwhile
            if self.is_dead:
                failure = _killed() if task.HasField("start") else None
            elif failure is None:
                put_right(task)
                self._with_code.add(task.task_token)
                return task
            if failure is not None:
                await self._fail(task.task_token, failure)

    async def complete_activity_task(self, completion: ActivityTaskCompletion) -> None:
        token = completion.task_token
        self._with_code.discard(token)
        if token in self.given_up:
            return
        if completion.result.HasField("will_complete_async"):
            self._registry.given_away.add(token)
        local = self._local.get(token)
        if local is not None and not self.is_dead and self._registry.local_activities is not None:
            failure = await self._registry.local_activities(self.identity, local, begins=False)
            if failure is not None:
                completion.result.failed.failure.CopyFrom(failure)
        if local is not None and self.is_dead:
            completion.result.failed.failure.CopyFrom(_killed())
        self._local.pop(token, None)
        if token in self._timed_out:
            self._timed_out.discard(token)
            self._unknown.add(token)
            completion.result.will_complete_async.SetInParent()
        await self._bridge.complete_activity_task(completion)
        if token in self._unknown:
            self._unknown.discard(token)
            self._lay_down(token)

    def time_out(self, token: bytes) -> None:
        """An activity whose code runs has run out of time. For any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing runs any more
            self._loop.call_soon_threadsafe(self._time_out, token)

    def _time_out(self, token: bytes) -> None:
        if token in self._with_code:
            self._timed_out.add(token)
            self._own_tasks.put(timed_out(token))
        else:  # it has ended meanwhile
            self._lay_down(token)

    def _lay_down(self, token: bytes) -> None:
        """The service waits for no end of an activity, or it waits in vain."""
        self._keeper.loop.call_soon_threadsafe(self._keeper.lay_down_activity, token)

    def _note_cancellation(self, task: ActivityTask) -> None:
        """An activity is told to stop, perhaps because nobody waits for its end any more."""
        token, details = task.task_token, task.cancel.details
        local = self._local.get(token)
        if local is not None and details.is_timed_out:
            run_id = local.start.workflow_execution.run_id
            self._keeper.local_waits.give_up(run_id, token)
        elif local is None and details.is_not_found and token in self._with_code:
            self._unknown.add(token)

    def has_code_of(self, token: bytes) -> bool:
        """Whether the code of an activity runs that is not a local one."""
        return token in self._with_code and token not in self._local

    def is_local(self, token: bytes) -> bool:
        """Whether it is the token of a local activity that runs."""
        return token in self._local

    def initiate_shutdown(self) -> None:
        self.on_shutdown()
        self._bridge.initiate_shutdown()
        self.shuts_down.set()

    async def poll_nexus_task(self) -> NexusTask:
        while True:
            task = await self._bridge.poll_nexus_task()
            if not self.is_dead:
                return task
            if task.HasField("task"):
                await self._drop_nexus_task(task.task.task_token)

    async def _drop_nexus_task(self, token: bytes) -> None:
        await self._bridge.complete_nexus_task(
            NexusTaskCompletion(task_token=token, ack_cancel=True)
        )

    def complete_nexus_task(self, completion: NexusTaskCompletion) -> Awaitable[None]:
        if completion.task_token in self.given_up_nexus_tasks:
            # The handler's coroutine is thrown away, and nothing of it may go on.
            raise GeneratorExit
        return self._complete_nexus_task(completion)

    async def _complete_nexus_task(self, completion: NexusTaskCompletion) -> None:
        await self._bridge.complete_nexus_task(completion)
        if completion.ack_cancel:
            # The server is not told of it, and waits for the answer until it is due.
            self._keeper.loop.call_soon_threadsafe(
                self._keeper.lay_down_nexus_task, completion.task_token
            )

    async def give_up_activities(self) -> None:
        """Let the core end without those whose code will never end."""
        for token in self.given_up:
            await self._fail(token, _killed())
        for token in self.given_up_nexus_tasks:
            await self._drop_nexus_task(token)
        give_up_local_activities = getattr(self._bridge, "give_up_local_activities", None)
        if give_up_local_activities is not None:
            give_up_local_activities()

    async def _look_at_local(self, task: ActivityTask) -> Failure | None:
        self._local[task.task_token] = task
        if self._registry.local_activities is None:
            return None
        return await self._registry.local_activities(self.identity, task, begins=True)

    async def _drop_local(self, task: ActivityTask) -> None:
        """A local activity was told to stop before its code began, so it does not begin."""
        self._local.pop(task.task_token, None)
        self._keeper.local_waits.finished(task.start.workflow_execution.run_id, task.task_token)
        await self._bridge.complete_activity_task(cancelled_activity(task.task_token))

    async def _fail(self, token: bytes, failure: Failure) -> None:
        self._local.pop(token, None)
        await self._bridge.complete_activity_task(
            ActivityTaskCompletion(
                task_token=token,
                result=ActivityExecutionResult(failed=ActivityFailure(failure=failure)),
            )
        )


def _killed() -> Failure:
    """What the core of a worker that was killed is told, and nobody else."""
    failure = Failure(message="the worker was killed")
    failure.application_failure_info.non_retryable = True
    return failure
