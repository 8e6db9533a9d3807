"""The main program of a worker process.

The process must not outlast the test, however that ends: it is told by the end of its channel, and
on Linux the kernel ends it with the thread that has started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import faulthandler
import importlib
import inspect
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any, cast

import temporalio.bridge.worker
from temporalio.client import Client
from temporalio.plugin import SimplePlugin
from temporalio.service import ConnectConfig, GrpcCompression, RetryConfig
from temporalio.worker import Worker, WorkerConfig

from timeskip import frozen_time
from timeskip.activity_time import ActivityTime
from timeskip.installation import install
from timeskip.lanes.awaits import is_library, is_users
from timeskip.lanes.entrance import PASS_KEY
from timeskip.lanes.test_tools import passing_test_tools
from timeskip.lanes.worker_registry import activity_name, service_name, workflow_name
from timeskip.processes.channel import Channel
from timeskip.processes.messages import (
    Answer,
    Assignment,
    Evict,
    Failed,
    HeartbeatAnswered,
    HeartbeatIsLate,
    Ready,
    TimesOut,
    Wake,
    WorkerFacts,
)
from timeskip.processes.resident_bridge import Questions, ResidentBridge
from timeskip.processes.resident_client import ResidentServiceClient
from timeskip.processes.resident_time import ResidentAttempts, ResidentTime
from timeskip.processes.shared_clock import SharedClockReader
from timeskip.sdk_exit import guard_exit

_PR_SET_PDEATHSIG = 1

#: The core's own count of the time that activities have at a shutdown must not come first.
_NEVER = timedelta(days=365)

#: What the SDK takes for `max_concurrent_activities`.
_ACTIVITIES_UNLESS_TOLD = 100

#: As that of workers in the test's own process.
_BUILD_ID = "timeskip"
_VERSIONING = ("build_id", "deployment_config", "use_worker_versioning")

#: Nothing at the service gets better by waiting.
_RETRIES = RetryConfig(initial_interval_millis=1, max_interval_millis=20)


def main(channel_descriptor: int, clock_descriptor: int | None) -> None:
    """Run workers until the test wants no more of them."""
    faulthandler.enable()
    os.set_inheritable(channel_descriptor, False)
    channel = Channel(Connection(channel_descriptor))
    assignment = channel.receive()
    if not isinstance(assignment, Assignment):
        sys.exit("the test that has started this worker process is gone")
    end_with(assignment.parent)
    clock = SharedClockReader(clock_descriptor) if clock_descriptor is not None else None
    try:
        asyncio.run(_Resident(assignment, channel, clock).live())
    except BaseException as error:  # noqa: BLE001 - it is told where the test waits
        channel.send(Failed(told_for_user(error)))
        sys.exit(1)


def told_for_user(error: BaseException) -> str:
    """The traceback of an error, without the way to the code of the user's."""
    told = traceback.TracebackException.from_exception(error)
    theirs = [frame for frame in told.stack if is_users(frame.filename)]
    told.stack = traceback.StackSummary.from_list(
        [frame for frame in theirs if not is_library(frame.filename)]
    )
    return "".join(told.format())


def end_with(parent: int) -> None:
    """Have the kernel end this process with its parent, where it offers that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was faster
        _end_group()


def _end_group() -> None:
    """End this process, and those that it has started, at once."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


class _Resident:
    """One life of the process."""

    def __init__(
        self, assignment: Assignment, channel: Channel, clock: SharedClockReader | None
    ) -> None:
        self._assignment = assignment
        self._channel = channel
        self._time = ResidentTime(channel, clock) if clock is not None else None
        self._activity_time: ActivityTime | None = None
        self._bridges: list[ResidentBridge] = []
        self._workers: list[Worker] = []

    async def live(self) -> None:
        """Make the workers, and run them until they are asked to end."""
        assignment = self._assignment
        self._questions = Questions(self._channel)
        self._put_on_virtual_time()
        threading.Thread(target=self._listen, name="timeskip-channel", daemon=True).start()
        factory = factory_named(assignment.factory)
        client = await self._connect()
        guard_exit()
        workers = self._workers = await workers_made(factory, client, assignment)
        self._channel.send(_readiness(workers))
        leaving = asyncio.Event()
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, leaving.set)
        await self._run(workers, leaving)

    async def _run(self, workers: list[Worker], leaving: asyncio.Event) -> None:
        runs = [asyncio.ensure_future(worker.run()) for worker in workers]
        asked = asyncio.ensure_future(leaving.wait())
        await asyncio.wait({*runs, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        ends = []
        for worker, run in zip(workers, runs, strict=True):
            if worker.is_running:
                ends.append(asyncio.ensure_future(worker.shutdown()))
            elif not worker.is_shutdown:
                # It has not got so far that it could be told to end.
                run.cancel()
        await asyncio.wait([*runs, *ends])
        for done in [*runs, *ends]:
            if not done.cancelled():
                done.result()

    def _put_on_virtual_time(self) -> None:
        install(frozen_time=self._assignment.shows_time)
        if self._time is not None:
            frozen_time.show(self._time)
            attempts = ResidentAttempts(self._channel)
            self._activity_time = ActivityTime(
                self._time, attempts, self._nexus_token, time_out=self._time_out
            )

    async def _connect(self) -> Client:
        assignment = self._assignment
        config = ConnectConfig(
            target_host=assignment.address,
            identity=assignment.identity,
            rpc_metadata={PASS_KEY: assignment.pass_key},
            grpc_compression=GrpcCompression.NONE,
            retry_config=_RETRIES,
        )
        service_client = ResidentServiceClient(
            config, self._questions, keeps_core=self._time is not None
        )
        await service_client._connected_client()
        counts_grace = self._time is not None
        plugins: list[Any] = [_ResidentWorkers(self._wrapped, counts_grace=counts_grace)]
        if self._activity_time is not None:
            plugins.append(self._activity_time)
        return Client(
            service_client,
            namespace=assignment.namespace,
            data_converter=pickle.loads(assignment.data_converter),
            plugins=plugins,
        )

    def _wrapped(
        self, bridge: temporalio.bridge.worker.Worker, grace: timedelta
    ) -> temporalio.bridge.worker.Worker:
        wrapped = ResidentBridge(bridge, self._questions, self._time, grace)
        self._bridges.append(wrapped)
        return cast("temporalio.bridge.worker.Worker", wrapped)

    def _nexus_token(self, task: asyncio.Task[Any]) -> bytes | None:
        """The token of the Nexus task that a worker handles in a task."""
        for worker in self._workers:
            nexus = worker._nexus_worker
            for token, handled in list(nexus._running_tasks.items() if nexus else ()):
                if handled.task is task:
                    return token
        return None

    def _time_out(self, token: bytes) -> None:
        """An activity has run out of time. For any thread."""
        for bridge in list(self._bridges):
            if bridge.runs(token):
                self._questions.tell(TimesOut(token))
                bridge.time_out(token)

    def _listen(self) -> None:
        loop = self._questions.loop
        while (message := self._channel.receive()) is not None:
            match message:
                case Wake() if self._time is not None:
                    self._time.wake(message.timer)
                case HeartbeatAnswered() if self._activity_time is not None:
                    self._activity_time.heartbeat_answered(message.token, cancels=message.cancels)
                case HeartbeatIsLate() if self._activity_time is not None:
                    self._activity_time.heartbeat_is_late(message.token)
                case Answer():
                    self._questions.answered(message)
                case Evict():
                    with contextlib.suppress(RuntimeError):  # the loop is closed: all is forgotten
                        loop.call_soon_threadsafe(self._evict, message.run_id)
        _end_group()

    def _evict(self, run_id: str) -> None:
        for bridge in self._bridges:
            bridge.request_workflow_eviction(run_id)


def make_like_those_of_tests(config: WorkerConfig) -> None:
    """Give a worker what those of the test's own process have as well."""
    for name in ("workflow_runner", "unsandboxed_workflow_runner"):
        config[name] = passing_test_tools(config[name])
    if not any(config.get(option) for option in _VERSIONING):
        config["build_id"] = _BUILD_ID


class _ResidentWorkers(SimplePlugin):
    """Makes workers of the process what those of the test's own process are."""

    def __init__(
        self,
        wrapped: Callable[
            [temporalio.bridge.worker.Worker, timedelta], temporalio.bridge.worker.Worker
        ],
        *,
        counts_grace: bool,
    ) -> None:
        """`counts_grace`: whether the time that activities have at a shutdown is virtual."""
        super().__init__("timeskip.WorkerProcess")
        self._wrapped = wrapped
        self._counts_grace = counts_grace

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Change what is different under a simulation."""
        config = super().configure_worker(config)
        make_like_those_of_tests(config)
        if self._counts_grace:
            config["graceful_shutdown_timeout"] = _NEVER
        return config

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """Look over the shoulder of a worker."""
        # What it was made with; what is in use was changed above.
        grace = worker.config().get("graceful_shutdown_timeout", timedelta())
        worker._bridge_worker = self._wrapped(worker._bridge_worker, grace)
        await super().run_worker(worker, next)


def factory_named(name: str) -> Callable[..., Any]:
    """Import what an assignment calls "package.module:name"."""
    module, _, attributes = name.partition(":")
    found: Any = importlib.import_module(module)
    for attribute in attributes.split("."):
        found = getattr(found, attribute)
    return cast("Callable[..., Any]", found)


async def workers_made(
    factory: Callable[..., Any], client: Client, assignment: Assignment
) -> list[Worker]:
    """What the factory makes: a worker, or several."""
    arguments = pickle.loads(assignment.arguments)
    parameters = inspect.signature(factory).parameters
    if "task_queue" in parameters or any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()
    ):
        arguments = {"task_queue": assignment.task_queue, **arguments}
    made = factory(client, **arguments)
    if inspect.isawaitable(made):
        made = await made
    workers = [made] if isinstance(made, Worker) else list(made) if _is_several(made) else []
    if not workers or not all(isinstance(worker, Worker) for worker in workers):
        raise TypeError(
            f"{assignment.factory} has to return a temporalio.worker.Worker, or a list of them, "
            f"not {made!r}"
        )
    return workers


def _is_several(made: object) -> bool:
    return isinstance(made, Iterable) and not isinstance(made, str | bytes)


def _readiness(workers: list[Worker]) -> Ready:
    configs = [worker.config(active_config=True) for worker in workers]
    identities = {config.get("identity") or config["client"].identity for config in configs}
    if len(identities) > 1:
        raise ValueError(
            f"the workers of one process need one identity, not {', '.join(sorted(identities))}: "
            "leave `identity=` out, or give the same to all"
        )
    namespaces = {config["client"].namespace for config in configs}
    if len(namespaces) > 1:
        raise ValueError("the workers of one process need one namespace")
    return Ready(identities.pop(), namespaces.pop(), tuple(map(_facts, configs)))


def _facts(config: WorkerConfig) -> WorkerFacts:
    activities = config.get("activities", ())
    room = 1 if config.get("tuner") is not None else config.get("max_concurrent_activities")
    return WorkerFacts(
        task_queue=config["task_queue"],
        workflows=tuple(sorted(map(workflow_name, config.get("workflows", ())))),
        activities=tuple(sorted(map(activity_name, activities))),
        nexus_services=tuple(sorted(map(service_name, config.get("nexus_service_handlers", ())))),
        takes_activities=bool(activities) and not config.get("no_remote_activities"),
        room_for_activities=room or _ACTIVITIES_UNLESS_TOLD,
    )
