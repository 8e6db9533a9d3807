"""The workers that use a simulation's client.

Learned through the SDK's own plugin interface: the worker is the user's, and stays as it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, cast

import temporalio.activity
import temporalio.bridge.worker
import temporalio.client
import temporalio.worker
import temporalio.workflow
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
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from timeskip.lanes.time_keeper import TimeKeeper

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


@dataclass(frozen=True)
class KnownWorker:
    """A worker of this process: its queue and the types that it registered."""

    task_queue: str
    workflows: tuple[str, ...]
    activities: tuple[str, ...]


class WorkerRegistry(temporalio.client.Plugin, temporalio.worker.Plugin):
    """Knows the workers of this process, and announces them to the time keeper."""

    def __init__(self, keeper: TimeKeeper) -> None:
        self._keeper = keeper
        self.workers: list[KnownWorker] = []

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        return config

    async def connect_service_client(
        self, config: ConnectConfig, next: Callable[[ConnectConfig], Awaitable[ServiceClient]]
    ) -> ServiceClient:
        return await next(config)

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        runner = config.get("workflow_runner")
        if isinstance(runner, SandboxedWorkflowRunner):
            restrictions = runner.restrictions.with_passthrough_modules(*_TEST_TOOLS)
            config["workflow_runner"] = dataclasses.replace(runner, restrictions=restrictions)
        return config

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        config = worker.config(active_config=True)
        known = KnownWorker(
            task_queue=worker.task_queue,
            workflows=tuple(sorted(_workflow_name(each) for each in config.get("workflows", ()))),
            activities=tuple(sorted(_activity_name(each) for each in config.get("activities", ()))),
        )
        self.workers.append(known)
        worker._bridge_worker = cast(
            "temporalio.bridge.worker.Worker", WatchedBridge(worker._bridge_worker, self._keeper)
        )
        self._keeper.expect_poller(worker.task_queue)
        try:
            await next(worker)
        finally:
            self._keeper.expect_poller_no_more(worker.task_queue)

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


class WatchedBridge:
    """A worker's connection to the SDK's core, watched for workflow tasks that will not be answered.

    The core reports only the first failure of a workflow task and lets later attempts time out. The
    service cannot tell such a task from one that is being worked on, so it is told.
    """

    def __init__(self, bridge: temporalio.bridge.worker.Worker, keeper: TimeKeeper) -> None:
        self._bridge = bridge
        self._keeper = keeper

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bridge, name)

    async def complete_workflow_activation(self, completion: WorkflowActivationCompletion) -> None:
        if not completion.HasField("failed"):
            await self._bridge.complete_workflow_activation(completion)
            return
        run = self._keeper.service.cluster.runs.get(completion.run_id)
        task = run.workflow_task if run is not None else None
        await self._bridge.complete_workflow_activation(completion)
        if run is not None and task is not None and run.workflow_task is task:
            task.abandoned = True
            self._keeper.notice()


def _workflow_name(workflow: type) -> str:
    definition = temporalio.workflow._Definition.from_class(workflow)
    return (definition.name if definition else None) or workflow.__name__


def _activity_name(activity: Callable[..., object]) -> str:
    definition = temporalio.activity._Definition.from_callable(activity)
    return (definition.name if definition else None) or getattr(activity, "__name__", "?")
