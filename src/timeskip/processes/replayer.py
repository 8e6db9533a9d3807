"""The main program of a process that replays what workers of other processes have recorded.

These are gone, perhaps by SIGKILL. What makes such workers is known; so it makes them once more, as after
a restart, in a process that has nothing in memory of what they had.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import pickle
import sys
from multiprocessing.connection import Connection
from typing import Any

import temporalio.bridge.worker
from temporalio.api.history.v1 import History
from temporalio.client import Client
from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker, WorkerConfig

from timeskip.errors import ReplayFailed, WorkflowNotDeterministic
from timeskip.histories.replaying.left_runs import LeftRun, require_replays
from timeskip.histories.replaying.settings import ReplaySettings
from timeskip.processes.channel import Channel
from timeskip.processes.messages import (
    Assignment,
    Failed,
    RecordedRun,
    ReplayBegins,
    Replayed,
    ReplayFailure,
    ReplayRequest,
)
from timeskip.processes.resident import (
    end_with,
    factory_named,
    make_like_those_of_tests,
    told_for_user,
    workers_made,
)
from timeskip.sdk_exit import guard_exit

#: In the second replay the modules remember the first, as in a worker that has forgotten a run and
#: takes it up again. What they do only the first time shows in the first, and the rest in the second.
_REPLAYS = 2


def main(channel_descriptor: int, clock_descriptor: int | None) -> None:
    """Replay for as long as somebody asks for it."""
    faulthandler.enable()
    os.set_inheritable(channel_descriptor, False)
    channel = Channel(Connection(channel_descriptor))
    request = channel.receive()
    if not isinstance(request, ReplayRequest):
        sys.exit("the test that has started this process is gone")
    end_with(request.assignment.parent)
    guard_exit()
    # The workers are not to run.
    create: Any = lambda client, config: None  # noqa: E731
    temporalio.bridge.worker.Worker.create = staticmethod(create)  # type: ignore[method-assign]
    while isinstance(request, ReplayRequest):
        channel.send(_answer(request, channel))
        request = channel.receive()


def _answer(request: ReplayRequest, channel: Channel) -> Replayed | Failed:
    try:
        workers = _with_settings(asyncio.run(_workers(request.assignment)))
    except BaseException as error:  # noqa: BLE001 - it is told where the test waits
        return Failed(told_for_user(error))
    channel.send(ReplayBegins())
    runs = [_left(workers, run) for run in request.runs]
    warnings: list[str] = []
    try:
        for _ in range(_REPLAYS):
            warnings = require_replays(runs, forgives_core=True)
    except ReplayFailed as error:
        return Replayed((), _failure(error))
    return Replayed(tuple(warnings), None)


async def _workers(assignment: Assignment) -> list[Worker]:
    client = await Client.connect(
        assignment.address,
        namespace=assignment.namespace,
        identity=assignment.identity,
        data_converter=pickle.loads(assignment.data_converter),
        plugins=[_ReplayedWorkers("timeskip.ReplayedWorkers")],
    )
    return await workers_made(factory_named(assignment.factory), client, assignment)


def _with_settings(workers: list[Worker]) -> list[tuple[str, ReplaySettings]]:
    """For each worker its task queue, and how its runs are replayed."""
    return [
        (
            worker.task_queue,
            ReplaySettings.of_worker(
                worker.config(active_config=True), worker.client.config(active_config=True)
            ),
        )
        for worker in workers
    ]


def _left(workers: list[tuple[str, ReplaySettings]], run: RecordedRun) -> LeftRun:
    events = History.FromString(run.history).events
    workflow_type = events[0].workflow_execution_started_event_attributes.workflow_type.name
    # A factory need not make the same workers each time.
    settings = max(
        workers,
        key=lambda each: (each[1].knows(workflow_type), each[0] == run.task_queue),
    )[1]
    return LeftRun(run.workflow_id, events, settings, {})


class _ReplayedWorkers(SimplePlugin):
    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        config = super().configure_worker(config)
        make_like_those_of_tests(config)
        return config


def _failure(error: ReplayFailed) -> ReplayFailure:
    explanation = b""
    if isinstance(error, WorkflowNotDeterministic):
        # A test's own class may be part of it, which another process does not know.
        with contextlib.suppress(Exception):
            explanation = pickle.dumps(error.explanation)
    return ReplayFailure(
        str(error), error.workflow_id, isinstance(error, WorkflowNotDeterministic), explanation
    )
