"""What the SDK costs that no lane can save: its worker and its client, with nothing behind them.

One run is recorded in the direct lane: what the core gave the worker, and what the service answered the
client. Then a worker and a client go through the same again and again. Their core gives what was
recorded as soon as what came before has been dealt with, and does nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar, cast
from unittest.mock import patch

import temporalio.bridge.client
import temporalio.bridge.worker
from google.protobuf.message import Message
from temporalio.bridge.proto import NamespaceInfo
from temporalio.bridge.proto.activity_task import ActivityTask
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.client import Client
from temporalio.service import ConnectConfig, _BridgeServiceClient
from temporalio.worker import Worker

from tests.bench.activities import double
from tests.bench.minutes import Minutes
from tests.bench.samples import Sample
from tests.bench.workload import TASK_QUEUE, bench_worker, runner
from tests.bench.year import SleepAYear
from timeskip import Simulation
from timeskip.lanes.activation_executor import ActivationExecutor

SDK = "sdk"

Given = TypeVar("Given")

_START = "start_workflow_execution"
_RESULT = "get_workflow_execution_history"


@dataclass
class _Recording:
    """One run: what the worker was given, in order, and the last answer to each of the RPCs."""

    given: list[WorkflowActivation | ActivityTask] = field(default_factory=list)
    answers: dict[str, Message] = field(default_factory=dict)


class _RecordedCore:
    """Notes what a core gives its worker."""

    def __init__(self, core: Any, recording: _Recording) -> None:
        self._core = core
        self._recording = recording

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    async def poll_workflow_activation(self) -> WorkflowActivation:
        activation: WorkflowActivation = await self._core.poll_workflow_activation()
        self._recording.given.append(_copy(activation))
        return activation

    async def poll_activity_task(self) -> ActivityTask:
        task: ActivityTask = await self._core.poll_activity_task()
        self._recording.given.append(_copy(task))
        return task


class _CannedCore:
    """Gives what was recorded, one thing after the other."""

    def __init__(self, recording: _Recording) -> None:
        self._recording = recording
        self._left: list[WorkflowActivation | ActivityTask] = []
        self._activations: asyncio.Queue[WorkflowActivation | None] = asyncio.Queue()
        self._tasks: asyncio.Queue[ActivityTask | None] = asyncio.Queue()
        self.ended = asyncio.Event()

    def begin(self) -> None:
        """The run begins once more."""
        self.ended.clear()
        self._left = self._recording.given[::-1]
        self._go_on()

    def _go_on(self) -> None:
        if not self._left:
            self.ended.set()
            return
        given = _copy(self._left.pop())
        if isinstance(given, ActivityTask):
            self._tasks.put_nowait(given)
        else:
            self._activations.put_nowait(given)

    # -- what the worker calls ----------------------------------------------------------------

    async def validate(self) -> NamespaceInfo:
        return NamespaceInfo()

    async def poll_workflow_activation(self) -> WorkflowActivation:
        return _or_shutdown(await self._activations.get())

    async def poll_activity_task(self) -> ActivityTask:
        return _or_shutdown(await self._tasks.get())

    async def complete_workflow_activation(self, completion: object) -> None:
        self._go_on()

    async def complete_activity_task(self, completion: object) -> None:
        self._go_on()

    def initiate_shutdown(self) -> None:
        self._activations.put_nowait(None)
        self._tasks.put_nowait(None)

    async def finalize_shutdown(self) -> None:
        pass


class _CannedService(_BridgeServiceClient):
    """Answers as was recorded; for a result it waits until the run has ended."""

    def __init__(self, recording: _Recording, core: _CannedCore) -> None:
        super().__init__(ConnectConfig(target_host="nowhere"))
        self._bridge_client = cast(temporalio.bridge.client.Client, core)
        self._recording = recording
        self._core = core

    async def _rpc_call(self, rpc: str, *arguments: Any, **options: Any) -> Any:
        if rpc == _START:
            self._core.begin()
        elif rpc == _RESULT:
            await self._core.ended.wait()
        return _copy(self._recording.answers[rpc])


class SdkAlone:
    """The SDK's part in both workflows of the workload, with or without the sandbox."""

    def __init__(self, *, sandboxed: bool) -> None:
        self._sandboxed = sandboxed

    async def one_after_another(self, batch: int) -> Sample:
        """As many runs that sleep a year and run an activity; seconds for each."""
        async with self._again(SleepAYear.run, 1) as client:
            began = perf_counter()
            for _ in range(batch):
                await _run(client, SleepAYear.run, 1)
            return Sample((perf_counter() - began) / batch, batch, batch)

    async def loop_of_minutes(self, batch: int) -> Sample:
        """One run of so many rounds of an activity and a minute; seconds for each round."""
        async with self._again(Minutes.run, batch) as client:
            began = perf_counter()
            await _run(client, Minutes.run, batch)
            return Sample((perf_counter() - began) / batch, batch, batch)

    async def _record(self, run: Any, argument: int) -> _Recording:
        recording = _Recording()
        async with Simulation(lane="direct") as sim:
            service: Any = sim.client.service_client
            answer = service._rpc_call

            async def answer_and_note(rpc: str, *arguments: Any, **options: Any) -> Message:
                answered: Message = await answer(rpc, *arguments, **options)
                recording.answers[rpc] = _copy(answered)
                return answered

            service._rpc_call = answer_and_note
            worker = bench_worker(sim.client, runner(sandboxed=self._sandboxed))
            core: Any = _RecordedCore(worker._bridge_worker, recording)
            worker._bridge_worker = core
            async with worker:
                await _run(sim.client, run, argument)
        return recording

    @asynccontextmanager
    async def _again(self, run: Any, argument: int) -> AsyncIterator[Client]:
        """A client that gets the same again, once warmed up."""
        recording = await self._record(run, argument)
        core = _CannedCore(recording)
        executor = ActivationExecutor()
        create = staticmethod(lambda client, config: core)
        client = Client(_CannedService(recording, core))
        with patch.object(temporalio.bridge.worker.Worker, "create", create):
            worker = Worker(
                client,
                task_queue=TASK_QUEUE,
                workflows=[SleepAYear, Minutes],
                activities=[double],
                workflow_runner=runner(sandboxed=self._sandboxed),
                # The SDK names a pool of threads, and uses it as any executor.
                workflow_task_executor=cast(Any, executor),
                max_workflow_task_external_storage_concurrency=1,
            )
            executor.relieve(worker)
        try:
            async with worker:
                await _run(client, run, argument)
                yield client
        finally:
            executor.shutdown()


async def _run(client: Client, run: Any, argument: int) -> None:
    await client.execute_workflow(run, argument, id="sdk-alone", task_queue=TASK_QUEUE)


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _or_shutdown(given: Given | None) -> Given:
    if given is None:
        raise temporalio.bridge.worker.PollShutdownError  # type: ignore[attr-defined]
    return given
