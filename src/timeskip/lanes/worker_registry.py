"""The workers that use a simulation's client.

Learned through the SDK's own plugin interface: the worker is the user's, and stays as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

import nexusrpc
import temporalio.activity
import temporalio.bridge.worker
import temporalio.client
import temporalio.worker
import temporalio.workflow
from temporalio.api.enums.v1 import TaskQueueType
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

from timeskip.errors import WorkerRefused
from timeskip.histories.patches import PatchChoices
from timeskip.histories.replaying.ledger import LedgerOfWorker, ReplayLedger
from timeskip.histories.replaying.settings import ReplaySettings, watched
from timeskip.lanes.activation_executor import ActivationExecutor
from timeskip.lanes.test_tools import passing_test_tools
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.lanes.watched_bridge import LocalActivityWatch, WatchedBridge
from timeskip.sdk_shortcuts import take_shortcuts
from timeskip.server.matching import TaskQueue
from timeskip.server.workflow_tasks import WorkflowTask

#: The SDK would read the code of every imported module to make one up, and so histories would tell
#: which other tests have been collected.
_BUILD_ID = "timeskip"
_VERSIONING = ("build_id", "deployment_config", "use_worker_versioning")


#: What the SDK takes for `max_concurrent_activities` and `max_concurrent_nexus_tasks`.
_ACTIVITIES_UNLESS_TOLD = 100
_NEXUS_TASKS_UNLESS_TOLD = 100


class Supervisor(Protocol):
    """Sees to it that there is a worker."""

    def replace(self) -> None:
        """The worker was killed: begin another. On the event loop of the one that was."""
        ...


@dataclass
class KnownWorker:
    """A worker: its queue and the types that it registered.

    Attributes:
        replay: How its runs are replayed; None if it lives in another process.
        was_killed: Whether a fault has ended it.
        is_replaced: Whether another takes its place then, unless the fault says otherwise.
    """

    task_queue: str
    workflows: tuple[str, ...]
    activities: tuple[str, ...]
    nexus_services: tuple[str, ...]
    replay: ReplaySettings | None
    has_stopped: bool = False
    was_killed: bool = False
    is_replaced: bool = False


class WorkerRegistry(temporalio.client.Plugin, temporalio.worker.Plugin):
    """Knows the workers of this process, and announces them to the time keeper."""

    def __init__(
        self, keeper: TimeKeeper, configure_for_lane: Callable[[WorkerConfig], None]
    ) -> None:
        self._keeper = keeper
        self._configure_for_lane = configure_for_lane
        self._running: dict[Running, None] = {}
        self._names: Counter[str] = Counter()
        #: Who replaces workers that were killed.
        self.supervisors: dict[Worker, Supervisor] = {}
        #: Whether a worker of that identity does not reach the service for a while.
        self.is_cut_off: Callable[[str], bool] = lambda identity: False
        #: Told of the main task of each activity that a worker is about to cancel.
        self.cancellation_comes: Callable[[asyncio.Task[Any]], None] = lambda activity: None
        #: Told of local activities, of which the service knows nothing.
        self.local_activities: LocalActivityWatch | None = None
        #: Whether a worker in another process is about to poll.
        self.will_poll_elsewhere: Callable[[TaskQueue], bool] = lambda queue: False
        #: Tokens of activities that workers have left to whoever else completes them.
        self.given_away: set[bytes] = set()
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
        if config["client"].data_converter.external_storage is None:
            # Nothing is stored or fetched, but the SDK makes tasks to do several at a time.
            config["max_workflow_task_external_storage_concurrency"] = 1
        self._configure_for_lane(config)
        return config

    def new_identity(self, client: str) -> str:
        """What a worker that stands for a process of its own calls itself.

        Only the first has the identity of its client.
        """
        self._names[client] += 1
        number = self._names[client]
        return client if number == 1 else f"{client}#{number}"

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        take_shortcuts()
        config = worker.config(active_config=True)
        replay = ReplaySettings.of_worker(config, worker.client.config(active_config=True))
        known = KnownWorker(
            task_queue=worker.task_queue,
            workflows=tuple(sorted(workflow_name(each) for each in config.get("workflows", ()))),
            activities=tuple(sorted(activity_name(each) for each in config.get("activities", ()))),
            nexus_services=tuple(
                sorted(map(service_name, config.get("nexus_service_handlers") or ()))
            ),
            replay=replay,
        )
        known.is_replaced = worker in self.supervisors
        self.workers.append(known)
        ActivationExecutor.relieve(worker)

        def identity() -> str:
            return config.get("identity") or worker.client.identity

        bridge = WatchedBridge(
            worker._bridge_worker,
            self._keeper,
            self,
            identity(),
            LedgerOfWorker(self.ledger, replay, identity),
        )
        worker._bridge_worker = cast("temporalio.bridge.worker.Worker", bridge)
        # Its test may wait here without ever having called the service.
        self._keeper.loops.watch_running_loop()
        self._keeper.expect_poller(worker.task_queue)
        running = Running(worker, config, asyncio.ensure_future(next(worker)), bridge, known)
        self._running[running] = None
        bridge.on_shutdown = partial(self._foretell_cancellations, running)
        try:
            await running.until_stopped_or_abandoned()
        finally:
            del self._running[running]
            if not running.is_killed:
                self.supervisors.pop(worker, None)
            known.has_stopped = True
            known.was_killed = running.is_killed
            self._keeper.expect_poller_no_more(worker.task_queue)
            with contextlib.suppress(RuntimeError):  # the simulation has ended before
                self._keeper.loop.call_soon_threadsafe(self.forsake_tasks, worker.task_queue)

    def _foretell_cancellations(self, running: Running) -> None:
        """Without grace, the core cancels activities as soon as it is told to end."""
        if not running.gives_grace:
            for activity in running.remote_activities():
                self.cancellation_comes(activity)

    def forsake_tasks(self, task_queue: str) -> None:
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
            self._keeper.parked.update(
                token
                for token, nexus_task in cluster.started_nexus_tasks.items()
                if nexus_task.task_queue == task_queue
            )
            self._keeper.notice()

    def living(self) -> list[Running]:
        """The workers that run and were not killed, the oldest first. For any thread."""
        return [running for running in list(self._running) if not running.is_killed]

    def forget_killed(self, running: Running) -> None:
        """A worker that was killed is replaced: nobody needs to hear of it any more."""
        self.workers = [known for known in self.workers if known is not running.known]

    def nexus_token(self, task: asyncio.Task[Any]) -> bytes | None:
        """The token of the Nexus task that a worker of this process handles in this task."""
        for running in list(self._running):
            nexus = running.worker._nexus_worker
            for token, handled in list(nexus._running_tasks.items() if nexus else ()):
                if handled.task is task:
                    return token
        return None

    def time_out(self, token: bytes) -> None:
        """An activity of a worker of this process has run out of time. Where the clock runs."""
        for running in list(self._running):
            if running.has_code_of(token):
                self._keeper.tell_timeout(token)
                running.time_out(token)

    def tasks_of(self, run_id: str) -> list[asyncio.Task[Any]]:
        """The tasks of a workflow run, if a worker of this process has it cached."""
        return [task for running in list(self._running) for task in running.tasks_of(run_id)]

    def will_poll(self, queue: TaskQueue) -> bool:
        """Whether a worker is about to poll the queue: it serves it, and has room."""
        if queue.shut_down or self._keeper.waiting_for_local_activities:
            return False
        cluster = self._keeper.service.cluster
        is_nexus = queue.kind == TaskQueueType.TASK_QUEUE_TYPE_NEXUS
        started: Container[bytes] = (
            cluster.started_nexus_tasks if is_nexus else cluster.started_activities
        )
        return any(
            running.will_poll(queue, started) and not self.is_cut_off(running.identity)
            for running in list(self._running)
        ) or self.will_poll_elsewhere(queue)

    def stranded(self) -> list[str]:
        """The task queues of workers whose event loop has stopped under them."""
        return [
            running.known.task_queue
            for running in list(self._running)
            if not running.loop.is_running()
        ]

    def is_stopping(self) -> bool:
        """Whether a worker has been told to stop and has not stopped yet. For any thread."""
        return any(running.is_stopping for running in list(self._running))

    def activities_of_stopping(self) -> list[asyncio.Task[Any]]:
        """What keeps workers from stopping that have been told to. For any thread."""
        return [
            activity
            for running in list(self._running)
            if running.is_stopping
            for activity in running.activities()
        ]

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


#: Workers that were abandoned, until whoever closes their event loop ends them. Nothing else may hold
#: their tasks then, and Python complains in words about one that is collected before its end.
_left_behind: set[asyncio.Future[None]] = set()


class Running:
    """A worker that runs. The SDK waits for its activities without limit, even blocked ones."""

    def __init__(
        self,
        worker: Worker,
        config: WorkerConfig,
        task: asyncio.Future[None],
        bridge: WatchedBridge,
        known: KnownWorker,
    ) -> None:
        self.worker = self._worker = worker
        self.known = known
        self._bridge = bridge
        self._config = config
        self._task = task
        self.loop = asyncio.get_running_loop()
        self._abandoned = asyncio.Event()

    @property
    def identity(self) -> str:
        """What it calls itself in its requests."""
        return self._bridge.identity

    @property
    def is_killed(self) -> bool:
        """Whether it is dead: it gets nothing to do any more."""
        return self._bridge.is_dead

    @is_killed.setter
    def is_killed(self, killed: bool) -> None:
        self._bridge.is_dead = killed

    def die(self, kill_activity: Callable[[asyncio.Task[Any]], object | None]) -> list[object]:
        """Let no code of the user's that it runs go on. Whose code that was. For its own loop.

        `kill_activity` ends the code of an activity for ever, if it has begun.
        """
        killed = []
        activities = self._worker._activity_worker
        for token, activity in list(activities._running_activities.items() if activities else ()):
            if activity.task is None or activity.done:
                continue
            attempt = kill_activity(activity.task)
            if attempt is None:
                activity.task.cancel()
            else:
                # The SDK waits for the tasks of activities when it stops.
                activity.task = None
                self._bridge.given_up.add(token)
                killed.append(attempt)
        return killed + self._kill_handlers(kill_activity)

    def _kill_handlers(self, kill: Callable[[asyncio.Task[Any]], object | None]) -> list[object]:
        """Let no code of Nexus handlers go on."""
        killed: list[object] = []
        nexus = self._worker._nexus_worker
        if nexus is None:
            return killed
        for token, handled in list(nexus._running_tasks.items()):
            if handled.task.done():
                continue
            attempt = kill(handled.task)
            if attempt is None:
                handled.task.cancel()
            else:
                # The SDK waits for the tasks of handlers when it stops.
                nexus._running_tasks.pop(token, None)
                self._bridge.given_up_nexus_tasks.add(token)
                killed.append(attempt)
        return killed

    async def take_down(self) -> None:
        """Once it is dead: have the SDK take its parts apart."""
        await self._bridge.give_up_activities()
        self._worker._shutdown_event.set()
        await self.end()

    @property
    def gives_grace(self) -> bool:
        """Whether activities have time to end when it shuts down."""
        return bool(self._config.get("graceful_shutdown_timeout"))

    def activities(self) -> list[asyncio.Task[Any]]:
        """The tasks of the activities that it runs just now. For any thread."""
        worker = self._worker._activity_worker
        running = list(worker._running_activities.values()) if worker is not None else ()
        return [activity.task for activity in running if activity.task is not None]

    def remote_activities(self) -> list[asyncio.Task[Any]]:
        """The same but for local activities, which a worker that shuts down lets end. For its loop."""
        worker = self._worker._activity_worker
        running = list(worker._running_activities.items()) if worker is not None else ()
        return [
            activity.task
            for token, activity in running
            if activity.task is not None and not self._bridge.is_local(token)
        ]

    async def begin_to_shut_down(self) -> None:
        """Have it end as a worker does that is asked to: gracefully."""
        self._worker._shutdown_event.set()
        begun = asyncio.ensure_future(self._bridge.shuts_down.wait())
        either: set[asyncio.Future[Any]] = {begun, self._task}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()

    async def end(self) -> None:
        """Wait for the end of it all."""
        await asyncio.wait({self._task})

    def time_out(self, token: bytes) -> None:
        """An activity that it runs has run out of time. For any thread."""
        self._bridge.time_out(token)

    def has_code_of(self, token: bytes) -> bool:
        """Whether it runs the code of an activity that is not a local one. For any thread."""
        return self._bridge.has_code_of(token)

    def evict(self, run_id: str) -> None:
        """Forget a workflow as soon as nobody works on it. For any thread."""
        with contextlib.suppress(RuntimeError):  # its loop is closed, and all is forgotten
            self.loop.call_soon_threadsafe(self._bridge.request_workflow_eviction, run_id)

    def will_poll(self, queue: TaskQueue, started: Container[bytes]) -> bool:
        """Whether it will, as soon as it has done what it is doing right now."""
        config = self._config
        if self.is_stopping or self.is_killed or queue.namespace != self._worker.client.namespace:
            return False
        if queue.kind == TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW:
            waiting = next(iter(queue.tasks), None)
            # Of a sticky queue, too.
            name = waiting.run.task_queue if isinstance(waiting, WorkflowTask) else queue.name
            if name != queue.name and queue.pollers and self.identity not in queue.pollers:
                return False  # it is the sticky queue of another worker, perhaps a dead one
            return self._worker._workflow_worker is not None and name == self._worker.task_queue
        if queue.kind == TaskQueueType.TASK_QUEUE_TYPE_NEXUS:
            return queue.name == self._worker.task_queue and self._has_room_for_nexus_task(started)
        activities = self._worker._activity_worker
        return (
            queue.kind == TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
            and queue.name == self._worker.task_queue
            and activities is not None
            and not config.get("no_remote_activities")
            and self._busy(activities, started) < self._room_for_activities()
        )

    def _has_room_for_nexus_task(self, started: Container[bytes]) -> bool:
        nexus = self._worker._nexus_worker
        if nexus is None:
            return False
        busy = sum(token in started for token in list(nexus._running_tasks))
        # With a tuner there is room for one at least.
        own_choice = self._config.get("max_concurrent_nexus_tasks") or _NEXUS_TASKS_UNLESS_TOLD
        return busy < (1 if self._config.get("tuner") is not None else own_choice)

    def _busy(self, activities: _ActivityWorker, started: Container[bytes]) -> int:
        """How many activities it works on, even if the service does not wait for them any more."""
        return sum(
            token in started or self._bridge.has_code_of(token)
            for token in list(activities._running_activities)
        )

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
            _left_behind.add(self._task)
            self._task.add_done_callback(_left_behind.discard)
            self._worker._shutdown_complete_event.set()

    def abandon(self) -> None:
        with contextlib.suppress(RuntimeError):  # its loop is closed, so nobody waits
            self.loop.call_soon_threadsafe(self._abandoned.set)


def workflow_name(workflow: type) -> str:
    """The type under which a workflow is known to the service."""
    definition = temporalio.workflow._Definition.from_class(workflow)
    return (definition.name if definition else None) or workflow.__name__


def activity_name(activity: Callable[..., object]) -> str:
    """The type under which an activity is known to the service."""
    definition = temporalio.activity._Definition.from_callable(activity)
    return (definition.name if definition else None) or str(getattr(activity, "__name__", "?"))


def service_name(handler: object) -> str:
    """The name of the Nexus service that a handler carries out."""
    definition = nexusrpc.get_service_definition(type(handler))
    return definition.name if definition else type(handler).__name__


def _refuse_versioned(config: WorkerConfig) -> None:
    """Say at once what the service would say to each poll, which a worker repeats for a minute."""
    deployment = config.get("deployment_config")
    if config.get("use_worker_versioning") or (deployment and deployment.use_worker_versioning):
        raise WorkerRefused(
            f"the worker of task queue {config.get('task_queue')!r} uses worker versioning, which "
            "timeskip does not simulate yet. Let it tell its build with `use_worker_versioning=False`."
        )
