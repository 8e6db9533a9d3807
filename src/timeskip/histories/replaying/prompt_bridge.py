"""The SDK's bridge to its core, for which nobody waits longer than it takes.

Whenever the core has taken a history or an answer of a workflow, one of its threads says so, and
wakes the event loop for it; then it wakes it again with the next activation. Only that has to be
waited for.

What the core asks of a workflow is seen to on the spot: in a replay there is one thing to do at a
time, and the SDK's tasks, timeouts and converters for the contexts of others are half of what it
costs. Whatever is out of the ordinary is left to the SDK.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import temporalio.bridge.worker
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import (
    Success,
    WorkflowActivationCompletion,
)
from temporalio.worker._workflow import _RunningWorkflow, _WorkflowWorker

from timeskip.histories.replaying.bridges import bridge_to_core
from timeskip.histories.replaying.loop import WokenLoop
from timeskip.histories.replaying.settings import inner_instance
from timeskip.lanes.activation_executor import RUNS_AT_ONCE, ActivationExecutor
from timeskip.sdk_shortcuts.payload_passes import leaves_alone

#: Told of what the core has not taken.
OnFailure = Callable[[BaseException], None]

#: Has a last say in what the core asks of a workflow.
OnActivation = Callable[[WorkflowActivation], None]


def prompt_bridge(
    loop: WokenLoop,
    on_failure: OnFailure,
    on_activation: OnActivation,
    runtime: Any,
    config: Any,
) -> tuple[Any, Any]:
    """What the SDK's `Worker.for_replay` makes. Used on the loop."""
    worker, pusher = bridge_to_core(runtime, config)
    return (
        _PromptWorker(worker._ref, loop, on_failure, on_activation),
        _PromptPusher(pusher, loop, on_failure),
    )


class _PromptPusher:
    def __init__(self, core: Any, loop: WokenLoop, on_failure: OnFailure) -> None:
        self._core = core
        self._loop = loop
        self._on_failure = on_failure

    async def push_history(self, workflow_id: str, serialized: bytes) -> None:
        self._loop.on_failure = self._on_failure
        try:
            self._core.push_history(workflow_id, serialized)
        finally:
            self._loop.on_failure = None

    def close(self) -> None:
        self._core.close()


class _PromptWorker(temporalio.bridge.worker.Worker):
    def __init__(
        self, core: Any, loop: WokenLoop, on_failure: OnFailure, on_activation: OnActivation
    ) -> None:
        super().__init__(core)
        self._core = core
        self._loop = loop
        self._on_failure = on_failure
        self._on_activation = on_activation
        self._polled: asyncio.Future[bytes] | None = None

    async def poll_workflow_activation(self) -> WorkflowActivation:
        """The next activation that is not seen to here."""
        worker = _whoever_asks()
        polled = self._polled or self._core.poll_workflow_activation()
        while True:
            serialized = await polled
            # As the SDK does: the core can have the next one ready meanwhile.
            self._polled = polled = self._core.poll_workflow_activation()
            activation = WorkflowActivation.FromString(serialized)
            self._on_activation(activation)
            if not leaves_alone(worker._data_converter, serialized) or not await self._see_to(
                worker, activation
            ):
                return activation

    async def complete_workflow_activation(self, comp: WorkflowActivationCompletion) -> None:
        serialized = comp.SerializeToString()
        self._loop.on_failure = self._on_failure
        try:
            self._core.complete_workflow_activation(serialized)
        finally:
            self._loop.on_failure = None

    async def _see_to(self, worker: _WorkflowWorker, activation: WorkflowActivation) -> bool:
        """Do what the SDK's worker does with an activation, if it is an ordinary one."""
        workflow = worker._running_workflows.get(activation.run_id)
        first = activation.jobs[0]
        if worker._debug_mode:
            return False
        if first.HasField("remove_from_cache"):
            if workflow is None or _is_alive(workflow):
                return False
            del worker._running_workflows[activation.run_id]
            await self.complete_workflow_activation(
                WorkflowActivationCompletion(run_id=activation.run_id, successful=Success())
            )
            if worker._on_eviction_hook is not None:
                worker._on_eviction_hook(activation.run_id, first.remove_from_cache)
            return True
        if workflow is None:
            if not first.HasField("initialize_workflow"):
                return False
            init = first.initialize_workflow
            try:
                instance = worker._create_workflow_instance(activation, init)
            except Exception:  # noqa: BLE001 - the SDK makes it again, and tells the failure
                return False
            workflow = _RunningWorkflow(instance, init.workflow_id)
            worker._running_workflows[activation.run_id] = workflow
        executor: Executor = worker._workflow_task_executor
        try:
            if RUNS_AT_ONCE and isinstance(executor, ActivationExecutor):
                completion = executor.answer_at_once(workflow, activation)
            else:
                completion = await self._loop.run_in_executor(
                    executor, workflow.activate, activation
                )
        except Exception as error:  # noqa: BLE001 - the SDK is to be told of it
            _fail_next(workflow, error)
            return False
        completion.run_id = activation.run_id
        await self.complete_workflow_activation(completion)
        return True


def _whoever_asks() -> Any:
    """The worker whose task this is."""
    task = asyncio.current_task()
    coroutine: Any = task and task.get_coro()
    return coroutine.cr_frame.f_locals["self"]


def _is_alive(workflow: _RunningWorkflow) -> bool:
    """Whether a workflow has tasks, which the SDK cancels before it forgets it."""
    tasks = getattr(inner_instance(workflow.instance), "_tasks", None)
    return tasks is None or bool(tasks)


def _fail_next(workflow: _RunningWorkflow, error: Exception) -> None:
    """Have the SDK find, when it runs the workflow, what was found here."""
    here = vars(workflow)

    def fail(activation: WorkflowActivation) -> WorkflowActivationCompletion:
        del here["activate"]
        raise error

    here["activate"] = fail
