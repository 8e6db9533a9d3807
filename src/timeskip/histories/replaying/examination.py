"""A replay that is looked at closely: each command with its line, and all that it depends on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHistory
from temporalio.worker import WorkflowInstance

from timeskip.histories.nondeterminism.trace import Trace
from timeskip.histories.replaying.breakpoints import pass_breakpoints
from timeskip.histories.replaying.bridge import ReplayBridge, replayed_by
from timeskip.histories.replaying.commands import IssuedCommand, Place
from timeskip.histories.replaying.core import ReplayThread, without_the_sdks_log
from timeskip.histories.replaying.local_timeouts import AS_THE_CORE_TELLS, Timeouts
from timeskip.histories.replaying.machines import Mismatch, ObservedMachines
from timeskip.histories.replaying.places import all_places, place_of_definition
from timeskip.histories.replaying.settings import ReplaySettings, as_thread_pool, inner_instance

#: How many times as long code may take that is watched line by line.
_SLOWNESS = 30


@dataclass
class Examination:
    """What was seen.

    `failure`: why the replay failed, whatever the reason; None if it did not. `timeouts`: what the
    workflow was told of local activities that timed out. `workflow`: the SDK's instance, from which
    its handlers are known; None if it was not made.
    """

    trace: Trace = field(default_factory=Trace)
    commands: list[IssuedCommand] = field(default_factory=list)
    mismatch: Mismatch | None = None
    failure: Exception | None = None
    timeouts: Timeouts = field(default_factory=dict)
    workflow: Any = None


class CommandRecorder:
    """Notes for each command of a workflow where it was issued.

    To be told of the workflow's instance and of its answers.
    """

    def __init__(self, trace: Trace | None) -> None:
        self.commands: list[IssuedCommand] = []
        self._trace = trace
        self._asked: list[tuple[WorkflowCommand, tuple[Place, ...], int]] = []
        self._after_event = 0

    def created(self, instance: WorkflowInstance) -> None:
        """A workflow was made: watch it."""
        inner = inner_instance(instance)
        add_command: Callable[[], WorkflowCommand] = inner._add_command
        activate = instance.activate
        trace = self._trace
        definition = place_of_definition(inner)

        def add_and_note() -> WorkflowCommand:
            command = add_command()
            places = all_places(sys._getframe(1))
            moment = 0
            if trace is not None:
                trace.moment += 1
                moment = trace.moment
                if not places and trace.last_place is not None:
                    places = (trace.last_place,)
            self._asked.append((command, places or (definition,), moment))
            return command

        def activate_watched(activation: WorkflowActivation) -> WorkflowActivationCompletion:
            self._asked = []
            self._after_event = activation.history_length
            if trace is None:
                completion = activate(activation)
            else:
                with trace.watching():
                    completion = activate(activation)
            # Before a codec gets at them.
            self._asked = [(_copy(asked), *rest) for asked, *rest in self._asked]  # type: ignore[misc]
            return completion

        patched: Any = instance
        patched.activate = activate_watched
        inner._add_command = add_and_note

    def answered(self, completion: WorkflowActivationCompletion) -> list[IssuedCommand]:
        """The workflow's answer is complete: its commands."""
        issued = [
            IssuedCommand(asked, sent, places, self._after_event, moment)
            for sent, (asked, places, moment) in zip(
                completion.successful.commands, self._asked, strict=False
            )
        ]
        self.commands += issued
        return issued


def _copy(command: WorkflowCommand) -> WorkflowCommand:
    copied = WorkflowCommand()
    copied.CopyFrom(command)
    return copied


async def examine(
    settings: ReplaySettings,
    workflow_id: str,
    events: list[HistoryEvent],
    thread: ReplayThread,
    timeouts: Timeouts = AS_THE_CORE_TELLS,
) -> Examination:
    """Replay a history on the thread that this runs on. Nothing is raised: see `failure`."""
    examination = Examination(timeouts=timeouts)
    thread.workflow_id = workflow_id
    recorder = CommandRecorder(examination.trace)
    begun: list[ObservedMachines] = []

    def on_answer(completion: WorkflowActivationCompletion) -> None:
        begun[-1].expect(recorder.answered(completion))

    def on_created(instance: WorkflowInstance) -> None:
        pass_breakpoints(instance)
        recorder.created(instance)
        examination.workflow = inner_instance(instance)

    replayed_by(ReplayBridge(begun.append, on_answer, timeouts=timeouts))
    replayer = settings.replayer(
        as_thread_pool(thread.executor), thread.runtime, on_created=on_created
    )
    with without_the_sdks_log(), thread.executor.slowed(_SLOWNESS):
        result = await replayer.replay_workflow(
            WorkflowHistory(workflow_id, events), raise_on_replay_failure=False
        )
    examination.commands = recorder.commands
    examination.mismatch = begun[-1].mismatch
    examination.failure = result.replay_failure
    return examination
