"""Which worker ran which run, and where its code asked for what: noted while a test goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance

from timeskip.histories.replaying.commands import Key, Place, key_of_command
from timeskip.histories.replaying.places import nearest_place, place_of_definition
from timeskip.histories.replaying.settings import ReplaySettings, inner_instance


class ReplayLedger:
    """For each run, by its id, the worker that last ran it, and the lines of its commands.

    May be told and asked by any thread.
    """

    def __init__(self) -> None:
        #: The worker that last began to work on the run, and the one that last had an answer.
        self.begun: dict[str, ReplaySettings] = {}
        self.answered: dict[str, ReplaySettings] = {}
        self.places: dict[str, dict[Key, Place]] = {}
        #: What those call themselves that had answers.
        self.identities: set[str] = set()

    def created(self, instance: WorkflowInstance) -> None:
        """A worker has made a workflow: note from now on what it asks for."""
        inner = inner_instance(instance)
        add_command: Callable[[], WorkflowCommand] | None = getattr(inner, "_add_command", None)
        if add_command is None:  # made by a runner of somebody's own, which hides what it runs
            return
        places = self.places.setdefault(instance.get_info().run_id, {})
        notes = _Notes(inner, instance.activate, add_command, places)
        noted: object = instance
        vars(noted)["activate"] = notes.activate
        vars(inner)["_add_command"] = notes.add_command


class _Notes:
    """Stands before two methods of a workflow: the one that runs it, and the one it asks with."""

    __slots__ = ("_activate", "_add_command", "_asked", "_inner", "_places")

    def __init__(
        self,
        inner: object,
        activate: Callable[[WorkflowActivation], WorkflowActivationCompletion],
        add_command: Callable[[], WorkflowCommand],
        places: dict[Key, Place],
    ) -> None:
        self._inner = inner
        self._activate = activate
        self._add_command = add_command
        self._places = places
        self._asked: list[tuple[WorkflowCommand, Place | None]] = []

    def add_command(self) -> WorkflowCommand:
        command = self._add_command()
        self._asked.append((command, nearest_place(sys._getframe(1))))
        return command

    def activate(self, activation: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = self._activate(activation)
        for command, place in self._asked:
            # Of a run that was replayed in between, what it asked for at first counts.
            self._places.setdefault(
                key_of_command(command), place or place_of_definition(self._inner)
            )
        self._asked.clear()
        return completion


class LedgerOfWorker:
    """What one worker tells the ledger."""

    def __init__(
        self, ledger: ReplayLedger, settings: ReplaySettings, identity: Callable[[], str]
    ) -> None:
        """`identity`: what the worker calls itself, which may change with its client."""
        self._identity = identity
        self._ledger = ledger
        self._settings = settings
        self._working: set[str] = set()

    def began(self, activation: WorkflowActivation) -> None:
        """The worker was given something to do, if it is not only to forget, or to be asked."""
        if activation.jobs and activation.jobs[0].WhichOneof("variant") not in (
            "remove_from_cache",
            "query_workflow",
        ):
            self._working.add(activation.run_id)
            self._ledger.begun[activation.run_id] = self._settings

    def answers(self, completion: WorkflowActivationCompletion) -> None:
        """The worker has an answer."""
        if completion.run_id in self._working:
            self._working.discard(completion.run_id)
            if not completion.HasField("failed"):
                self._ledger.answered[completion.run_id] = self._settings
                self._ledger.identities.add(self._identity())
