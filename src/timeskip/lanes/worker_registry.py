"""The workers that use a simulation's client.

Learned through the SDK's own plugin interface: the worker is the user's, and stays as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, cast

import temporalio.activity
import temporalio.bridge.worker
import temporalio.client
import temporalio.worker
import temporalio.workflow
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import ClientConfig, WorkflowHistory
from temporalio.service import ConnectConfig, ServiceClient
from temporalio.worker import (
    Replayer,
    ReplayerConfig,
    Worker,
    WorkerConfig,
    WorkflowReplayResult,
)
from temporalio.worker._activity import _ActivityWorker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from timeskip.errors import WorkerRefused
from timeskip.histories.patches import PatchChoices
from timeskip.histories.replay_ledger import LedgerOfWorker, ReplayLedger
from timeskip.histories.replay_settings import ReplaySettings, watched
from timeskip.lanes.test_tools import passing_test_tools
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.server.matching import TaskQueue
from timeskip.server.workflow_tasks import WorkflowTask

#: Modules of tests that hold workflows too import these. The SDK's sandbox would import them anew
#: for every workflow, which takes long and, for some, fails.
_TEST_TOOLS = (
    "timeskip",
    "_pytest",
    "freezegun",
    "hypothesis",
    "pluggy",
    "pytest",
    "pytest_asyncio",
)


#: The SDK would read the code of every imported module to make one up, and so histories would tell
#: which other tests have been collected.
_BUILD_ID = "timeskip"
_VERSIONING = ("build_id", "deployment_config", "use_worker_versioning")


#: What the SDK takes for `max_concurrent_activities`.
_ACTIVITIES_UNLESS_TOLD = 100


@dataclass
class KnownWorker:
    """A worker of this process: its queue and the types that it registered."""

    task_queue: str
    workflows: tuple[str, ...]
    activities: tuple[str, ...]
    replay: ReplaySettings
    has_stopped: bool = False


class WorkerRegistry(temporalio.client.Plugin, temporalio.worker.Plugin):
    """Knows the workers of this process, and announces them to the time keeper."""

    def __init__(
        self, keeper: TimeKeeper, configure_for_lane: Callable[[WorkerConfig], None]
    ) -> None:
        self._keeper = keeper
        self._configure_for_lane = configure_for_lane
        self._running: dict[Running, None] = {}
        self.workers: list[KnownWorker] = []
        self.ledger = ReplayLedger()
        self.patches = PatchChoices()
        keeper.will_poll = self.will_poll

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        return config

    async def connect_service_client(
        self, config: ConnectConfig, next: Callable[[ConnectConfig], Awaitable[ServiceClient]]
    ) -> ServiceClient:
        return await next(config)

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        config["patch_activation_callback"] = self.patches.activation(
            config.get("patch_activation_callback")
        )
        for name in ("workflow_runner", "unsandboxed_workflow_runner"):
            runner = passing_test_tools(config[name])
            config[name] = watched(runner, self.ledger.created, tries=True)
        if not any(config.get(option) for option in _VERSIONING):
            config["build_id"] = _BUILD_ID
        _refuse_versioned(config)
        self._configure_for_lane(config)
        return config

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        config = worker.config(active_config=True)
        known = KnownWorker(
            task_queue=worker.task_queue,
            workflows=tuple(sorted(_workflow_name(each) for each in config.get("workflows", ()))),
            activities=tuple(sorted(_activity_name(each) for each in config.get("activities", ()))),
            replay=ReplaySettings.of_worker(config, worker.client.config(active_config=True)),
        )
        self.workers.append(known)
        bridge = WatchedBridge(
            worker._bridge_worker, self._keeper, LedgerOfWorker(self.ledger, known.replay)
        )
        worker._bridge_worker = cast("temporalio.bridge.worker.Worker", bridge)
        self._keeper.expect_poller(worker.task_queue)
        running = Running(worker, config, asyncio.ensure_future(next(worker)))
        self._running[running] = None
        try:
            await running.until_stopped_or_abandoned()
        finally:
            del self._running[running]
            known.has_stopped = True
            self._keeper.expect_poller_no_more(worker.task_queue)
            with contextlib.suppress(RuntimeError):  # the simulation has ended before
                self._keeper.loop.call_soon_threadsafe(self._forsake_tasks, worker.task_queue)

    def _forsake_tasks(self, task_queue: str) -> None:
        """What a worker of the queue, which has stopped, took and did not answer never will be.

        The SDK's core drops a workflow task that arrives just when the worker stops.
        """
        cluster = self._keeper.service.cluster
        is_deserted = all(
            worker.has_stopped for worker in self.workers if worker.task_queue == task_queue
        )
        for run in list(cluster.started_workflow_tasks.values()):
            task = run.workflow_task
            if run.task_queue != task_queue or task is None:
                continue
            if is_deserted or task.worker_instance_key in cluster.shut_down_workers:
                self._keeper.abandon(task)
        if is_deserted:
            self._keeper.parked.update(
                token
                for token, activity in cluster.started_activities.items()
                if activity.scheduled.task_queue.name == task_queue
            )
            self._keeper.notice()

    def tasks_of(self, run_id: str) -> list[asyncio.Task[Any]]:
        """The tasks of a workflow run, if a worker of this process has it cached."""
        return [task for running in list(self._running) for task in running.tasks_of(run_id)]

    def will_poll(self, queue: TaskQueue) -> bool:
        """Whether a worker of this process is about to poll the queue: it serves it, and has room."""
        if queue.shut_down or self._keeper.waiting_for_local_activities:
            return False
        started = self._keeper.service.cluster.started_activities
        return any(running.will_poll(queue, started) for running in list(self._running))

    def is_stopping(self) -> bool:
        """Whether a worker has been told to stop and has not stopped yet. For any thread."""
        return any(running.is_stopping for running in list(self._running))

    def abandon_stopping(self) -> None:
        """Wait no longer for workers that their activities keep from stopping. For any thread."""
        for running in list(self._running):
            if running.is_stopping:
                running.abandon()

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        return config

    def run_replayer(
        self,
        replayer: Replayer,
        histories: AsyncIterator[WorkflowHistory],
        next: Callable[
            [Replayer, AsyncIterator[WorkflowHistory]],
            AbstractAsyncContextManager[AsyncIterator[WorkflowReplayResult]],
        ],
    ) -> AbstractAsyncContextManager[AsyncIterator[WorkflowReplayResult]]:
        return next(replayer, histories)


class Running:
    """A worker that runs. The SDK waits for its activities without limit, even blocked ones."""

    def __init__(self, worker: Worker, config: WorkerConfig, task: asyncio.Future[None]) -> None:
        self._worker = worker
        self._config = config
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._abandoned = asyncio.Event()

    def will_poll(self, queue: TaskQueue, started: Container[bytes]) -> bool:
        """Whether it will, as soon as it has done what it is doing right now."""
        config = self._config
        if self.is_stopping or queue.namespace != self._worker.client.namespace:
            return False
        if queue.kind == TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW:
            waiting = next(iter(queue.tasks), None)
            # Of a sticky queue, too.
            name = waiting.run.task_queue if isinstance(waiting, WorkflowTask) else queue.name
            return self._worker._workflow_worker is not None and name == self._worker.task_queue
        activities = self._worker._activity_worker
        return (
            queue.kind == TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
            and queue.name == self._worker.task_queue
            and activities is not None
            and not config.get("no_remote_activities")
            and self._busy(activities, started) < self._room_for_activities()
        )

    def _busy(self, activities: _ActivityWorker, started: Container[bytes]) -> int:
        """How many activities it works on: those whose ends the service has not heard of yet."""
        return sum(token in started for token in list(activities._running_activities))

    def _room_for_activities(self) -> int:
        if self._config.get("tuner") is not None:
            return 1  # at least
        return self._config.get("max_concurrent_activities") or _ACTIVITIES_UNLESS_TOLD

    def tasks_of(self, run_id: str) -> list[asyncio.Task[Any]]:
        """A workflow is an event loop of its own, inside the sandbox as outside of it."""
        workflow_worker = self._worker._workflow_worker
        if workflow_worker is None or run_id not in workflow_worker._running_workflows:
            return []
        instance: Any = workflow_worker._running_workflows[run_id].instance
        sandbox = getattr(instance, "globals_and_locals", {}).get("__temporal_in_sandbox")
        loop = instance if sandbox is None else sandbox.instance
        return [task for task in list(getattr(loop, "_tasks", ())) if not task.done()]

    @property
    def is_stopping(self) -> bool:
        return self._worker._shutdown_event.is_set()

    async def until_stopped_or_abandoned(self) -> None:
        abandoned = asyncio.ensure_future(self._abandoned.wait())
        both: set[asyncio.Future[Any]] = {self._task, abandoned}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # This, too, is a way to stop a worker.
            self._task.cancel()
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            abandoned.cancel()
        if self._task.done():
            await self._task
        else:
            self._worker._shutdown_complete_event.set()

    def abandon(self) -> None:
        with contextlib.suppress(RuntimeError):  # its loop is closed, so nobody waits
            self._loop.call_soon_threadsafe(self._abandoned.set)


class WatchedBridge:
    """A worker's connection to the SDK's core, watched for workflow tasks without an answer.

    The core reports only the first failure of a workflow task and lets later attempts time out. The
    service cannot tell such a task from one that is being worked on, so it is told.
    """

    def __init__(
        self,
        bridge: temporalio.bridge.worker.Worker,
        keeper: TimeKeeper,
        ledger: LedgerOfWorker,
    ) -> None:
        self._bridge = bridge
        self._keeper = keeper
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bridge, name)

    async def poll_workflow_activation(self) -> WorkflowActivation:
        activation = await self._bridge.poll_workflow_activation()
        self._ledger.began(activation)
        return activation

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


def _workflow_name(workflow: type) -> str:
    definition = temporalio.workflow._Definition.from_class(workflow)
    return (definition.name if definition else None) or workflow.__name__


def _activity_name(activity: Callable[..., object]) -> str:
    definition = temporalio.activity._Definition.from_callable(activity)
    return (definition.name if definition else None) or str(getattr(activity, "__name__", "?"))


def _refuse_versioned(config: WorkerConfig) -> None:
    """Say at once what the service would say to each poll, which a worker repeats for a minute."""
    deployment = config.get("deployment_config")
    if config.get("use_worker_versioning") or (deployment and deployment.use_worker_versioning):
        raise WorkerRefused(
            f"the worker of task queue {config.get('task_queue')!r} uses worker versioning, which "
            "timeskip does not simulate yet. Let it tell its build with `use_worker_versioning=False`."
        )
