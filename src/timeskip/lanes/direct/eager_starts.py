"""First workflow tasks that come back with the answer to the start of a workflow.

A client may ask for that if a worker of its own, in its own process, has room for the task.
"""

from __future__ import annotations

from typing import Protocol

from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueResponse,
    StartWorkflowExecutionRequest,
)

from timeskip.lanes.direct.slot_info import WorkflowSlotInfo
from timeskip.lanes.direct.slots import Permit


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


class EagerStarts:
    """The workers of one client, by namespace and task queue."""

    def __init__(self) -> None:
        self._workers: dict[tuple[str, str], list[EagerWorker]] = {}

    def add(self, namespace: str, task_queue: str, worker: EagerWorker) -> None:
        """From now on the worker may be given first tasks."""
        self._workers.setdefault((namespace, task_queue), []).append(worker)

    def remove(self, namespace: str, task_queue: str, worker: EagerWorker) -> None:
        """The worker stops."""
        self._workers[namespace, task_queue].remove(worker)

    def reserve(self, request: StartWorkflowExecutionRequest) -> Reservation | None:
        """Room for the task of this start, which must not ask for it if there is none."""
        if not request.request_eager_execution:
            return None
        for worker in self._workers.get((request.namespace, request.task_queue.name), ()):
            permit = worker.try_reserve()
            if permit is not None:
                return Reservation(worker, permit)
        request.request_eager_execution = False
        return None
