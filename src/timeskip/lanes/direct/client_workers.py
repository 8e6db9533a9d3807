"""The workers of one client: which may be beside each other, and which get first tasks at once.

A client may ask that the first workflow task of a run comes back with the answer to its start, if a
worker of its own, in its own process, has room for the task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueResponse,
    StartWorkflowExecutionRequest,
)
from temporalio.bridge.worker import WorkerTaskTypes

from timeskip.lanes.direct.identity import WorkerIdentity
from timeskip.lanes.direct.slot_info import WorkflowSlotInfo
from timeskip.lanes.direct.slots import Permit

#: In the core's order.
_TASK_TYPES = (
    "enable_workflows",
    "enable_local_activities",
    "enable_remote_activities",
    "enable_nexus",
)

_WAY_OUT = (
    "Workers that are to share a task queue are given clients of their own, as processes have them "
    "(`await sim.connect_client()`); or shut the other one down first."
)


class RegistrationError(Exception):
    """What the core says of a worker that a client cannot take, or has not got."""


class EagerWorker(Protocol):
    """A worker that can be given a workflow task for which it has not polled."""

    def try_reserve(self) -> Permit[WorkflowSlotInfo] | None:
        """A slot for the task, if there is one at once."""

    def take(
        self, response: PollWorkflowTaskQueueResponse, permit: Permit[WorkflowSlotInfo]
    ) -> None:
        """Take on the task."""


class Reservation:
    """Room for a first task at a worker."""

    def __init__(self, worker: EagerWorker, permit: Permit[WorkflowSlotInfo]) -> None:
        self._worker = worker
        self._permit = permit

    def use(self, task: PollWorkflowTaskQueueResponse) -> None:
        """The task has come."""
        self._worker.take(task, self._permit)

    def give_back(self) -> None:
        """No task has come."""
        self._permit.release()


@dataclass(frozen=True, eq=False)
class ClientWorker:
    """A worker, as its client knows it."""

    identity: WorkerIdentity
    task_types: WorkerTaskTypes
    #: Who carries out its workflow tasks.
    workflows: EagerWorker

    @property
    def key(self) -> tuple[str, str]:
        """Its namespace and task queue."""
        return self.identity.namespace, self.identity.task_queue

    def is_in_the_way_of(self, other: ClientWorker) -> bool:
        """Whether both would take tasks of a type for the same build, on the same queue."""
        return self._build_id == other._build_id and any(
            getattr(self.task_types, name) and getattr(other.task_types, name)
            for name in _TASK_TYPES
        )

    def refused_beside(self, other: ClientWorker) -> str:
        """The core's words, which have the worker's key in the place of its task types."""
        namespace, task_queue = self.key
        build_id = "None" if self._build_id is None else f'Some("{self._build_id}")'
        return (
            "Registration of multiple workers with overlapping worker task types on the same "
            "namespace, task queue, and deployment build ID not allowed: "
            f'SlotKey {{ namespace: "{namespace}", task_queue: "{task_queue}" }}, '
            f"worker_instance_key: {_printed(other.task_types)} build_id: {build_id}, "
            f"new task types: {_printed(self.task_types)}, "
            f"existing task types: {self.identity.instance_key}.\n\n{_WAY_OUT}"
        )

    @property
    def _build_id(self) -> str | None:
        version = self.identity.version
        return None if version.deployment is None else version.build_id


class ClientWorkers:
    """The workers of one client that have not been told to stop, by namespace and task queue."""

    def __init__(self) -> None:
        self._workers: dict[tuple[str, str], list[ClientWorker]] = {}

    def add(self, worker: ClientWorker) -> None:
        """From now on the worker may be given first tasks.

        Raises `RegistrationError` if another one takes the same tasks.
        """
        beside = self._workers.setdefault(worker.key, [])
        for other in beside:
            if other.is_in_the_way_of(worker):
                raise RegistrationError(worker.refused_beside(other))
        beside.append(worker)

    def remove(self, worker: ClientWorker) -> None:
        """The worker stops, or changes to another client."""
        self._workers[worker.key].remove(worker)

    def reserve(self, request: StartWorkflowExecutionRequest) -> Reservation | None:
        """Room for the task of this start, which must not ask for it if there is none."""
        if not request.request_eager_execution:
            return None
        for worker in self._workers.get((request.namespace, request.task_queue.name), ()):
            if not worker.task_types.enable_workflows:
                continue
            permit = worker.workflows.try_reserve()
            if permit is not None:
                return Reservation(worker.workflows, permit)
        request.request_eager_execution = False
        return None


def _printed(task_types: WorkerTaskTypes) -> str:
    """As the core prints them."""
    fields = (f"{name}: {str(getattr(task_types, name)).lower()}" for name in _TASK_TYPES)
    return f"WorkerTaskTypes {{ {', '.join(fields)} }}"
