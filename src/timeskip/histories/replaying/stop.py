"""A workflow as a replay of its history has it, up to an event: to be asked, and to be debugged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import temporalio.workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import QueryWorkflow
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter, WorkflowSerializationContext
from temporalio.worker import WorkflowInstance

from timeskip.errors import ReplayFailed
from timeskip.histories.replaying.bridge import ReplayBridge, replayed_by
from timeskip.histories.replaying.commands import IssuedCommand
from timeskip.histories.replaying.core import (
    replay_thread,
    require_sound,
    without_the_sdks_log,
)
from timeskip.histories.replaying.examination import CommandRecorder
from timeskip.histories.replaying.history import Replayable, settings_and_history
from timeskip.histories.replaying.machines import ObservedMachines
from timeskip.histories.replaying.settings import ReplaySettings, as_thread_pool, inner_instance
from timeskip.histories.replaying.texts import command_text
from timeskip.histories.replaying.verdict import failure_of
from timeskip.lanes.activation_executor import ActivationExecutor
from timeskip.lanes.awaits import awaits_of_workflow
from timeskip.lanes.direct.sequences import COMMAND_EVENTS
from timeskip.lanes.direct.workflow_commands import TERMINAL

#: What may follow the start of a workflow task because of what the workflow did.
_ANSWERS = COMMAND_EVENTS | {EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED}


#: Real seconds that the SDK may take to let go of a workflow, which tries every two.
_FAREWELL_SECONDS = 10.0


class ReplayedWorkflow:
    """A workflow that stands still where a replay has left it."""

    def __init__(self, bridge: ReplayBridge, converter: DataConverter) -> None:
        self._bridge = bridge
        self._converter = converter
        self._instance: Any = None
        self._recorder = CommandRecorder(None)

    @property
    def workflow(self) -> Any:
        """The workflow object itself, with its attributes. Within the sandbox, if it has one."""
        return self._instance._object

    @property
    def event_id(self) -> int:
        """The id of the last event that the workflow knows."""
        return self._bridge.machines.last_event_id

    @property
    def commands(self) -> list[str]:
        """All that it has asked for, each with the line that did, as "timer of 5 s, at ...:12 in run"."""
        return [_told(command) for command in self._recorder.commands]

    @property
    def awaits(self) -> list[list[str]]:
        """Where each of its tasks waits: the lines, from the outermost await inwards."""
        return awaits_of_workflow(task for task in self._instance._tasks if not task.done())

    @property
    def is_closed(self) -> bool:
        """Whether the workflow has ended."""
        return any(
            command.sent.WhichOneof("variant") in TERMINAL for command in self._recorder.commands
        )

    async def result(self) -> Any:
        """What the workflow has returned.

        Raises its failure if it failed, and `LookupError` if it has not ended like that.
        """
        for command in self._recorder.commands:
            if command.sent.HasField("complete_workflow_execution"):
                payload = command.sent.complete_workflow_execution.result
                type_hint = self._instance._defn.ret_type
                values = await self._converter.decode([payload], [type_hint] if type_hint else None)
                return values[0]
            if command.sent.HasField("fail_workflow_execution"):
                failure = command.sent.fail_workflow_execution.failure
                raise await self._converter.decode_failure(failure)
        raise LookupError("the workflow has not returned anything")

    async def query(self, query: str | Callable[..., Any], *arguments: Any) -> Any:
        """The answer to a query: a method of the workflow, or the name of one.

        Raises what the query raised.
        """
        name, type_hint = _query(query)
        job = QueryWorkflow(
            query_type=name, arguments=await self._converter.encode(list(arguments))
        )
        answer = await self._bridge.query(job)
        if answer.HasField("failed"):
            raise await self._converter.decode_failure(answer.failed)
        values = await self._converter.decode(
            [answer.succeeded.response], [type_hint] if type_hint else None
        )
        return values[0]

    def created(self, instance: WorkflowInstance) -> None:
        """The workflow was made."""
        self._instance = inner_instance(instance)
        self._recorder.created(instance)

    def answered(self, completion: WorkflowActivationCompletion) -> None:
        """The workflow has an answer."""
        self._bridge.machines.expect(self._recorder.answered(completion))


@asynccontextmanager
async def replay_to(
    history: Replayable,
    event_id: int | None = None,
    *,
    workflows: Sequence[type],
    workflow_id: str | None = None,
    **options: Any,
) -> AsyncIterator[ReplayedWorkflow]:
    """Replay a history up to an event, and hold the workflow as it is then.

    That is how the last workflow task left it that was started by then: a workflow hears of an event
    only with the next task. The workflow's code runs on the event loop of the caller, so that a
    debugger stops in it; with `debug_mode=True` also at its `breakpoint()`, and for as long as it
    likes.

    Args:
        history: The history, or the file that holds it.
        event_id: The last event to replay; None for all.
        workflows: The workflows' classes, as for `temporalio.worker.Replayer`.
        workflow_id: Unless given, what the history says.
        options: Those of `temporalio.worker.Replayer`.

    Raises:
        WorkflowNotDeterministic: The code does something else than the history says.
        ReplayFailed: It fails in another way, or cannot be let go of afterwards.
        BrokenHistory: No worker could have been given such a history.
        ValueError: No workflow task was started by then.
    """
    settings, recorded = settings_and_history(history, workflows, workflow_id, options)
    require_sound(recorded)
    events = _up_to(recorded, event_id)

    def begun(machines: ObservedMachines) -> None:
        machines.history_goes_on = any(
            event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
            for event in recorded.events[len(events) :]
        )

    replayed = asyncio.Event()
    bridge = ReplayBridge(
        begun,
        lambda completion: held.answered(completion),
        replayed.set,
        is_all_replayed=event_id is not None,
    )
    held = ReplayedWorkflow(bridge, _converter(settings, recorded))
    executor = ActivationExecutor()
    replay = asyncio.create_task(_replay(settings, recorded, events, bridge, held, executor))
    reached = asyncio.create_task(replayed.wait())
    try:
        await asyncio.wait({replay, reached}, return_when=asyncio.FIRST_COMPLETED)
        if replay.done() and (verdict := replay.result()) is not None:
            thread = replay_thread()
            raise thread.run(
                failure_of(settings, recorded.workflow_id, events, verdict, thread, {})
            ) from None
        yield held
    finally:
        reached.cancel()
        if not replay.done():
            bridge.let_go()
        await asyncio.wait({replay}, timeout=_FAREWELL_SECONDS)
        is_stuck = not replay.done()
        if is_stuck:
            replay.cancel()
        elif not replay.cancelled():
            replay.exception()  # the caller has had it
        executor.shutdown()
    if is_stuck:
        raise ReplayFailed(
            f"workflow {recorded.workflow_id!r} cannot be let go of, nor could a worker evict it: its code"
            " catches what ends it. Let it catch `Exception`, not `BaseException`, and nothing without"
            " a type",
            workflow_id=recorded.workflow_id,
        )


async def _replay(
    settings: ReplaySettings,
    history: WorkflowHistory,
    events: list[HistoryEvent],
    bridge: ReplayBridge,
    held: ReplayedWorkflow,
    executor: ActivationExecutor,
) -> Exception | None:
    replayed_by(bridge)
    replayer = settings.replayer(
        as_thread_pool(executor), replay_thread().runtime, on_created=held.created
    )
    with without_the_sdks_log():
        result = await replayer.replay_workflow(
            WorkflowHistory(history.workflow_id, events), raise_on_replay_failure=False
        )
    return result.replay_failure


def _up_to(history: WorkflowHistory, event_id: int | None) -> list[HistoryEvent]:
    """All up to the last task that was started by then, and what it asked for by then."""
    events = [event for event in history.events if event_id is None or event.event_id <= event_id]
    tasks = [
        index
        for index, event in enumerate(events)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
    ]
    if not tasks:
        raise ValueError(
            f"workflow {history.workflow_id!r} has not done anything by event {event_id}: its first"
            " workflow task was started later"
        )
    end = tasks[-1] + 1
    while end < len(events) and events[end].event_type in _ANSWERS:
        end += 1
    return events[:end]


def _converter(settings: ReplaySettings, history: WorkflowHistory) -> DataConverter:
    return settings.data_converter.with_context(
        WorkflowSerializationContext(namespace=settings.namespace, workflow_id=history.workflow_id)
    )


def _query(query: str | Callable[..., Any]) -> tuple[str, type | None]:
    if isinstance(query, str):
        return query, None
    definition = temporalio.workflow._QueryDefinition.from_fn(query)
    if definition is None or definition.name is None:
        raise ValueError(f"{query!r} is no query of a workflow")
    return definition.name, definition.ret_type


def _told(command: IssuedCommand) -> str:
    at = f", at {command.place}" if command.place is not None else ""
    return f"{command_text(command.asked)}{at}"
