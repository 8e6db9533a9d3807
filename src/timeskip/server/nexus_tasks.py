"""Nexus tasks: requests to start or cancel operations, on their way to workers and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.failure.v1 import Failure
from temporalio.api.nexus.v1 import EndpointTarget, Request, Response
from temporalio.api.workflowservice.v1 import (
    PollNexusTaskQueueRequest,
    PollNexusTaskQueueResponse,
    RespondNexusTaskCompletedRequest,
    RespondNexusTaskCompletedResponse,
    RespondNexusTaskFailedRequest,
    RespondNexusTaskFailedResponse,
)

from timeskip.clock import SECOND, DueTime, Nanoseconds
from timeskip.server import nexus_failures, tokens
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.rpcs import rpc
from timeskip.server.task_answers import read_token
from timeskip.server.validation.nexus_operations import validate_nexus_answer

if TYPE_CHECKING:
    from timeskip.server.nexus_operations import NexusOperation

#: What a handler answers, or how asking it has failed.
Outcome = Response | Failure

#: What the server keeps back of a request's time, to be able to report its end.
_MARGIN: Nanoseconds = SECOND

#: A worker that would have less time than this is not even asked.
_SHORTEST: Nanoseconds = SECOND


class NexusTask:
    """One request that waits for a worker, or that one has."""

    __slots__ = (
        "_finished",
        "due",
        "identity",
        "is_over",
        "operation",
        "request",
        "task_queue",
        "token",
    )

    def __init__(
        self, operation: NexusOperation, request: Request, finished: Callable[[Outcome], None]
    ) -> None:
        self.operation = operation
        self.request = request
        self.token = b""
        #: That of its handlers.
        self.task_queue = ""
        #: The worker that has it.
        self.identity = ""
        self.is_over = False
        self.due: DueTime | None = None
        self._finished = finished

    @property
    def workflow_id(self) -> str:
        """That of the caller."""
        return self.operation.run.workflow_id

    @property
    def is_stale(self) -> bool:
        return self.is_over or bool(self.token)

    def dispatch(self, poll: Call) -> bool:
        if self.is_stale:
            return False
        assert isinstance(poll.request, PollNexusTaskQueueRequest)
        assert self.due is not None
        cluster = self.operation.run.cluster
        self.identity = poll.request.identity
        self.token = tokens.nexus_task(poll.request.namespace, cluster.ids.uuid())
        cluster.started_nexus_tasks[self.token] = self
        timeout = _go_seconds(self.due.when - cluster.clock.now())
        self.request.header["request-timeout"] = timeout
        self.request.header["Request-Timeout"] = timeout
        poll.respond(PollNexusTaskQueueResponse(task_token=self.token, request=self.request))
        return True

    def end(self, outcome: Outcome) -> None:
        """Report what has come of it, once the change that is being made is complete."""
        cluster = self.operation.run.cluster
        self.is_over = True
        if self.due is not None:
            self.due.cancel()
        cluster.started_nexus_tasks.pop(self.token, None)
        self.operation.untaken = 0 if self.token else self.operation.untaken + 1
        cluster.transfers.add(partial(self._finished, outcome))


def offer(task: NexusTask, target: EndpointTarget.Worker, timeout: Nanoseconds) -> None:
    """Offer a task to the workers of an endpoint. Its request may take so long."""
    cluster = task.operation.run.cluster
    task.task_queue = target.task_queue
    patience = timeout - _MARGIN
    if patience < _SHORTEST:
        _time_out(task)
        return
    task.due = cluster.clock.schedule(cluster.clock.now() + patience, lambda: _time_out(task))
    task.request.scheduled_time.FromNanoseconds(cluster.clock.now())
    queue = cluster.queues.queue(
        target.namespace, target.task_queue, TaskQueueType.TASK_QUEUE_TYPE_NEXUS
    )
    cluster.queues.add(queue, task)


@rpc("RespondNexusTaskCompleted")
def respond_completed(
    cluster: Cluster, call: Call, request: RespondNexusTaskCompletedRequest
) -> RespondNexusTaskCompletedResponse:
    _task_of(cluster, request).end(request.response)
    return RespondNexusTaskCompletedResponse()


@rpc("RespondNexusTaskFailed")
def respond_failed(
    cluster: Cluster, call: Call, request: RespondNexusTaskFailedRequest
) -> RespondNexusTaskFailedResponse:
    task = _task_of(cluster, request)
    if request.HasField("failure"):
        task.end(request.failure)
    else:
        task.end(nexus_failures.of_handler_error(request.error))
    return RespondNexusTaskFailedResponse()


def _task_of(
    cluster: Cluster, request: RespondNexusTaskCompletedRequest | RespondNexusTaskFailedRequest
) -> NexusTask:
    """The task that the answer is for, if the worker still has it."""
    read_token(cluster, request, tokens.parse_nexus_task)
    validate_nexus_answer(request)
    task = cluster.started_nexus_tasks.get(request.task_token)
    if task is None:
        raise not_found("Nexus task not found or already expired")
    return task


def _time_out(task: NexusTask) -> None:
    task.end(nexus_failures.handler_failure("UPSTREAM_TIMEOUT", "upstream timeout"))


def _go_seconds(duration: Nanoseconds) -> str:
    """A duration of less than a minute as Go writes it."""
    return f"{duration / SECOND:.9f}".rstrip("0").rstrip(".") + "s"
