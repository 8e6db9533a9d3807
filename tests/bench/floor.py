"""What no lane can save: the SDK's workflow instances and the activities' own code.

The activations of a run are recorded once and then given straight to fresh instances of the workflow,
as often as a benchmark runs it, with the activity functions awaited in between. No server, no worker.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import (
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.workflow import Info, _Definition

from tests.bench.activities import double
from tests.bench.minutes import Minutes
from tests.bench.samples import Sample
from tests.bench.workload import TASK_QUEUE, bench_worker, runner
from tests.bench.year import SleepAYear
from timeskip import Simulation

FLOOR = "floor"


@dataclass
class _Recording:
    """One run: what its instance was made of, and what it was told, its eviction included."""

    details: WorkflowInstanceDetails
    activations: list[WorkflowActivation] = field(default_factory=list)


class _RecordingRunner(WorkflowRunner):
    def __init__(self, runner: WorkflowRunner) -> None:
        self._runner = runner
        self.recordings: list[_Recording] = []

    def prepare_workflow(self, defn: _Definition) -> None:
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        self.recordings.append(_Recording(det))
        return _RecordingInstance(self._runner.create_instance(det), self.recordings[-1])

    def set_worker_level_failure_exception_types(self, types: Any) -> None:
        self._runner.set_worker_level_failure_exception_types(types)


class _RecordingInstance(WorkflowInstance):
    def __init__(self, instance: WorkflowInstance, recording: _Recording) -> None:
        self._instance = instance
        self._recording = recording

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        copy = WorkflowActivation()
        copy.CopyFrom(act)
        self._recording.activations.append(copy)
        return self._instance.activate(act)

    def get_serialization_context(self, *arguments: Any) -> Any:
        return self._instance.get_serialization_context(*arguments)

    def get_external_store_context(self, *arguments: Any) -> Any:
        return self._instance.get_external_store_context(*arguments)

    def get_info(self) -> Info:
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        return self._instance.get_thread_id()


class Floor:
    """The floor under both workflows of the workload, with or without the sandbox."""

    def __init__(self, *, sandboxed: bool) -> None:
        self._runner = runner(sandboxed=sandboxed)

    async def one_after_another(self, batch: int) -> Sample:
        """As many runs that sleep a year and run an activity; seconds for each."""
        recording = await self._record(SleepAYear.run, 1)
        began = perf_counter()
        for number in range(batch):
            self._replay(recording)
            await double(number)
        return Sample((perf_counter() - began) / batch, batch, batch)

    async def loop_of_minutes(self, batch: int) -> Sample:
        """One run of so many rounds of an activity and a minute; seconds for each round."""
        recording = await self._record(Minutes.run, batch)
        began = perf_counter()
        self._replay(recording)
        for number in range(batch):
            await double(number)
        return Sample((perf_counter() - began) / batch, batch, batch)

    async def _record(self, run: Any, argument: int) -> _Recording:
        recorder = _RecordingRunner(self._runner)
        async with Simulation(lane="direct") as sim, bench_worker(sim.client, recorder):
            for number in range(2):
                await sim.client.execute_workflow(
                    run, argument, id=f"floor-{number}", task_queue=TASK_QUEUE
                )
        return recorder.recordings[-1]

    def _replay(self, recording: _Recording) -> None:
        instance = self._runner.create_instance(recording.details)
        # The instance sets an event loop of its own, and leaves none.
        loop = asyncio.get_running_loop()
        for activation in recording.activations:
            instance.activate(activation)
        asyncio._set_running_loop(loop)
