"""The SDK's own Replayer on the simulated core instead of the Rust core.

Workers of a Replayer get each history as one workflow task, and forget the run when they have caught
up with it. This does for the simulated core what the Rust core does for itself, so that a test can
replay the same history with the same workflow in both and compare the verdicts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import temporalio.bridge.worker
from google.protobuf.message import Message
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueResponse
from temporalio.bridge.proto.workflow_activation import RemoveFromCache, WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.bridge.worker import (
    WorkerConfig,
)
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from timeskip.clock import DueTime, Nanoseconds
from timeskip.faults.crossings import empty_answer
from timeskip.lanes.direct.activity_worker import ActivitySettings, ActivityWorker
from timeskip.lanes.direct.cached_run import CachedRun
from timeskip.lanes.direct.identity import WorkerIdentity
from timeskip.lanes.direct.payload_limits import PayloadLimits
from timeskip.lanes.direct.requests import Requests, Response, Thing
from timeskip.lanes.direct.slots import FixedSlots, Permit
from timeskip.lanes.direct.task_reports import Report
from timeskip.lanes.direct.versioning import WorkerVersion
from timeskip.lanes.direct.workflow_worker import WorkflowSettings, WorkflowWorker
from timeskip.lanes.holds import Hold, Holds
from timeskip.server.calls import Answer, Call

_ENDS_A_TASK_IN_NOTHING = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
)


@dataclass(frozen=True)
class Verdict:
    """What a Replayer says: None, or the kind of the failure and its message."""

    failure: type[Exception] | None
    message: str

    @staticmethod
    def of(failure: Exception | None) -> Verdict:
        return Verdict(None if failure is None else type(failure), str(failure or ""))


async def rust_verdict(replayer: Replayer, history: WorkflowHistory) -> Verdict:
    """What the real core makes of a history."""
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    return Verdict.of(result.replay_failure)


async def simulated_verdict(replayer: Replayer, history: WorkflowHistory) -> Verdict:
    """What the simulated core makes of a history."""
    with simulated_core():
        result = await asyncio.wait_for(
            replayer.replay_workflow(history, raise_on_replay_failure=False), timeout=30
        )
    return Verdict.of(result.replay_failure)


@contextmanager
def simulated_core() -> Iterator[None]:
    """Replayers use the simulated core."""
    original = vars(temporalio.bridge.worker.Worker)["for_replay"]
    temporalio.bridge.worker.Worker.for_replay = staticmethod(_for_replay)  # type: ignore[method-assign]
    try:
        yield
    finally:
        temporalio.bridge.worker.Worker.for_replay = original  # type: ignore[method-assign]


def task_of(workflow_id: str, history: History) -> PollWorkflowTaskQueueResponse:
    """A history as the one workflow task that a Replayer's worker gets."""
    started = previous = 0
    events = history.events
    for event, following in zip(events, [*events[1:], None], strict=True):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED and (
            following is None or following.event_type not in _ENDS_A_TASK_IN_NOTHING
        ):
            previous, started = started, event.event_id
    if events[-1].event_id != started:
        previous = started
    attributes = events[0].workflow_execution_started_event_attributes
    return PollWorkflowTaskQueueResponse(
        task_token=b"replay",
        workflow_execution=WorkflowExecution(
            workflow_id=workflow_id, run_id=attributes.original_execution_run_id
        ),
        workflow_type=attributes.workflow_type,
        previous_started_event_id=previous,
        started_event_id=started,
        history=history,
    )


class NoService(Requests):
    """A service that agrees to everything and does nothing, at an instant that does not end."""

    def __init__(self) -> None:
        self._holds = Holds(lambda: None)
        #: Every request: the method's name and the message.
        self.asked: list[tuple[str, Message]] = []

    def ask(self, method: str, request: Message, response_type: type[Response]) -> Response:
        self.asked.append((method, request))
        return response_type()

    def send(
        self, method: str, request: Message, deliver: Callable[[Answer], None], tries: int = 1
    ) -> None:
        self.asked.append((method, request))
        deliver(empty_answer(method))

    def poll(self, method: str, request: Message, deliver: Callable[[Answer], None]) -> Call:
        return Call(method, request, deliver)

    def now(self) -> Nanoseconds:
        return 0

    def in_any_order(self, things: Sequence[Thing]) -> list[Thing]:
        return list(things)

    def at(self, when: Nanoseconds, action: Callable[[], None]) -> DueTime:
        return DueTime(when, action)

    def after(self, delay: Nanoseconds, action: Callable[[], None]) -> DueTime:
        return self.at(delay, action)

    def hold_time(self, reason: str) -> Hold:
        return self._holds.take(reason)

    def run_waits_for_time(self, run_id: str, waits: bool) -> None:
        """Time does not pass."""

    def abandon_workflow_task(self, run_id: str) -> None:
        """Nobody waits for it."""

    def cancel(self, call: Call) -> None:
        """Nothing was ever going to come."""


class _CatchingUp(WorkflowWorker):
    """Forgets each run once it has caught up with its history."""

    def _after_answer(self, run: CachedRun, report: Report, *, by_itself: bool) -> None:
        if not by_itself and not run.machines.replaying:
            reason = RemoveFromCache.EvictionReason.LANG_REQUESTED
            self.evict(run.run_id, "Always evict workflows after replay", reason)
        super()._after_answer(run, report, by_itself=by_itself)


class ReplayCore:
    """What a Replayer takes for its worker's core, and for the place that histories go to."""

    def __init__(self, config: WorkerConfig) -> None:
        service = NoService()
        identity = WorkerIdentity(
            namespace=config.namespace,
            task_queue=config.task_queue,
            sticky_queue="sticky",
            identity="replayer",
            instance_key="",
            version=WorkerVersion.of(config.versioning_strategy),
            sdk_name="",
            sdk_version="",
        )
        no_activities = ActivityWorker(
            service,
            identity,
            ActivitySettings(False, 0, None, None, 0, 0, 0),
            FixedSlots(1),
            PayloadLimits(),
        )
        settings = WorkflowSettings(
            cache_size=1,
            sticky_timeout=timedelta(seconds=1),
            fails_if_nondeterministic=config.nondeterminism_as_workflow_fail,
            types_that_fail_if_nondeterministic=frozenset(
                config.nondeterminism_as_workflow_fail_for_types
            ),
        )
        self._workflows = _CatchingUp(
            service, identity, settings, FixedSlots(2), no_activities, None, PayloadLimits()
        )

    async def push_history(self, workflow_id: str, history: bytes) -> None:
        self._workflows.take(task_of(workflow_id, History.FromString(history)), Permit())

    def close(self) -> None:
        self._workflows.stop()

    async def poll_workflow_activation(self) -> WorkflowActivation:
        activation = await self._workflows.next_activation()
        if activation is None:
            raise temporalio.bridge.worker.PollShutdownError  # type: ignore[attr-defined]
        return activation

    async def complete_workflow_activation(self, completion: WorkflowActivationCompletion) -> None:
        self._workflows.completed(completion)

    def initiate_shutdown(self) -> None:
        self._workflows.stop()

    async def finalize_shutdown(self) -> None:
        """Nothing outlives the shutdown."""


def _for_replay(runtime: object, config: WorkerConfig) -> tuple[Any, Any]:
    core = ReplayCore(config)
    return cast("temporalio.bridge.worker.Worker", core), core
