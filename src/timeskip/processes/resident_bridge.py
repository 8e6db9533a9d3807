"""Stands before the SDK's core in a worker process, for what the service does not see.

The core reports only the first failure of a workflow task. Of local activities the service learns
only from what a workflow task brings. And how long activities may go on while a worker shuts down is
counted by the core in real time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import temporalio.bridge.worker
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto import ActivityTaskCompletion
from temporalio.bridge.proto.activity_result import ActivityExecutionResult
from temporalio.bridge.proto.activity_result import Failure as ActivityFailure
from temporalio.bridge.proto.activity_task import (
    ActivityCancellationDetails,
    ActivityCancelReason,
    ActivityTask,
    Cancel,
)
from temporalio.bridge.proto.nexus import NexusTaskCompletion
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from timeskip.clock import duration_nanoseconds
from timeskip.lanes.core_timeouts import put_right
from timeskip.lanes.local_starts import LocalStarts, cancelled_activity
from timeskip.lanes.own_tasks import OwnTasks, timed_out
from timeskip.processes.channel import Channel
from timeskip.processes.messages import (
    Answer,
    DropsActivity,
    DropsNexusTask,
    FailedWorkflowTask,
    FailsWorkflowTask,
    Leaves,
    LocalActivityComesBy,
)
from timeskip.processes.resident_time import ResidentTime


class Questions:
    """Asks the simulation, and waits for its answers. For one event loop."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[bytes]] = {}

    def new(self) -> int:
        """The number of a further question."""
        number = next(self._numbers)
        self._open[number] = self.loop.create_future()
        return number

    async def ask(self, number: int, question: object) -> bytes:
        """What a question is answered with; see `Answer`."""
        self._channel.send(question)
        return await self._open[number]

    def tell(self, message: object) -> None:
        """Say something that needs no answer."""
        self._channel.send(message)

    def answered(self, answer: Answer) -> None:
        """For any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
            self.loop.call_soon_threadsafe(self._settle, answer)

    def _settle(self, answer: Answer) -> None:
        future = self._open.pop(answer.question)
        if not future.done():  # whoever asked may have been cancelled
            future.set_result(answer.told)


class ResidentBridge:
    """A worker's connection to the core.

    `grace`: virtual time for which activities may outlast a shutdown; without `time` the core knows.
    """

    def __init__(
        self,
        bridge: temporalio.bridge.worker.Worker,
        questions: Questions,
        time: ResidentTime | None,
        grace: timedelta,
    ) -> None:
        self._bridge = bridge
        self._questions = questions
        self._time = time
        self._grace = grace
        self._loop = asyncio.get_running_loop()
        self._local: dict[bytes, ActivityTask] = {}
        self._local_starts = LocalStarts(self._next_task, self._begin_local, self._drop_local)
        self._running: set[bytes] = set()
        #: Of these, those that were cancelled because the worker shuts down.
        self._shut_down: set[bytes] = set()
        #: Of these, those that have run out of time.
        self._timed_out: set[bytes] = set()
        self._takes_activities = False
        #: Cancellations of our own, and what is to be done once they are known.
        self._cancels = OwnTasks(bridge.poll_activity_task)
        self._once_cancelled: Callable[[], None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bridge, name)

    async def complete_workflow_activation(self, completion: WorkflowActivationCompletion) -> None:
        if not completion.HasField("failed"):
            await self._bridge.complete_workflow_activation(completion)
            return
        # Which task it is has to be known before the next try of it is handed out.
        number = self._questions.new()
        await self._questions.ask(number, FailsWorkflowTask(number, completion.run_id))
        await self._bridge.complete_workflow_activation(completion)
        self._questions.tell(FailedWorkflowTask(number))

    async def poll_activity_task(self) -> ActivityTask:
        while True:
            task, failure = await self._local_starts.next_task()
            if failure is None:
                put_right(task)
                if task.HasField("start") and not task.start.is_local:
                    self._running.add(task.task_token)
                return task
            await self._complete(
                ActivityTaskCompletion(
                    task_token=task.task_token,
                    result=ActivityExecutionResult(failed=ActivityFailure(failure=failure)),
                )
            )

    async def complete_activity_task(self, completion: ActivityTaskCompletion) -> None:
        task = self._local.get(completion.task_token)
        if task is not None:
            failure = await self._come_by(task, begins=False)
            if failure is not None:
                completion.result.failed.failure.CopyFrom(failure)
        elif completion.task_token in self._shut_down and completion.result.HasField("cancelled"):
            # As the core does: a cancellation would be final, but another worker can try again.
            completion.result.failed.failure.CopyFrom(_shut_down())
        is_unknown = completion.task_token in self._timed_out
        if is_unknown:
            # Of no interest to the server any more, which the core does not know.
            completion.result.will_complete_async.SetInParent()
        await self._complete(completion)
        if is_unknown:
            self._questions.tell(DropsActivity(completion.task_token))

    async def complete_nexus_task(self, completion: NexusTaskCompletion) -> None:
        await self._bridge.complete_nexus_task(completion)
        if completion.ack_cancel:
            self._questions.tell(DropsNexusTask(completion.task_token))

    def time_out(self, token: bytes) -> None:
        """An activity that it runs has run out of time. For any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing runs any more
            self._loop.call_soon_threadsafe(self._time_out, token)

    def initiate_shutdown(self) -> None:
        self._bridge.initiate_shutdown()
        if self._time is None or not (self._grace or self._takes_activities):
            self._leave()
        elif self._grace:
            due = self._time.now_ns() + duration_nanoseconds(self._grace)
            self._time.call_in_steps(due, self._grace_ends)
            self._leave()
        else:
            self._cancel_all(self._leave)

    async def _complete(self, completion: ActivityTaskCompletion) -> None:
        for tokens in (self._running, self._shut_down, self._timed_out):
            tokens.discard(completion.task_token)
        self._local.pop(completion.task_token, None)
        await self._bridge.complete_activity_task(completion)

    async def _begin_local(self, task: ActivityTask) -> Failure | None:
        self._local[task.task_token] = task
        return await self._come_by(task, begins=True)

    async def _drop_local(self, task: ActivityTask) -> None:
        """A local activity was told to stop before its code began, so it does not begin."""
        await self._complete(cancelled_activity(task.task_token))

    async def _come_by(self, task: ActivityTask, *, begins: bool) -> Failure | None:
        number = self._questions.new()
        answer = await self._questions.ask(
            number, LocalActivityComesBy(number, task.SerializeToString(), begins)
        )
        return Failure.FromString(answer) if answer else None

    async def _next_task(self) -> ActivityTask:
        self._takes_activities = True
        if self._cancels.is_empty and self._once_cancelled is not None:
            then, self._once_cancelled = self._once_cancelled, None
            then()
        return await self._cancels.next_task()

    def _time_out(self, token: bytes) -> None:
        if token in self._running and token not in self._shut_down:
            self._timed_out.add(token)
            self._cancels.put(timed_out(token))
        else:  # it has ended meanwhile, or is to end anyway
            self._questions.tell(DropsActivity(token))

    def runs(self, token: bytes) -> bool:
        """Whether it is the token of an activity that runs. For any thread."""
        return token in self._running

    def _leave(self) -> None:
        self._questions.tell(Leaves())

    def _grace_ends(self, known: Callable[[], None]) -> None:
        """The activities that still run have had their time. For any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing runs any more
            self._loop.call_soon_threadsafe(self._cancel_all, known)

    def _cancel_all(self, then: Callable[[], None]) -> None:
        """Have the SDK cancel all activities, and call `then` once they know it."""
        if not self._running:
            then()
            return
        self._once_cancelled = then
        self._shut_down |= self._running
        for token in self._running:
            self._cancels.put(
                ActivityTask(
                    task_token=token,
                    cancel=Cancel(
                        reason=ActivityCancelReason.WORKER_SHUTDOWN,
                        details=ActivityCancellationDetails(is_worker_shutdown=True),
                    ),
                )
            )


def _shut_down() -> Failure:
    failure = Failure(message="Worker is shutting down and this activity did not complete in time")
    failure.application_failure_info.type = "WorkerShutdown"
    return failure
