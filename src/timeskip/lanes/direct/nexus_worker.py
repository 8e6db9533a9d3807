"""The Nexus half of a worker: polls Nexus tasks, hands them to handlers, reports what comes of them."""

from __future__ import annotations

import json
import re

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.failure.v1 import Failure
from temporalio.api.nexus.v1 import Failure as NexusFailure
from temporalio.api.nexus.v1 import HandlerError, Request
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollNexusTaskQueueRequest,
    PollNexusTaskQueueResponse,
    RespondNexusTaskCompletedRequest,
    RespondNexusTaskFailedRequest,
)
from temporalio.bridge.proto.nexus import (
    CancelNexusTask,
    NexusTask,
    NexusTaskCancelReason,
    NexusTaskCompletion,
)

from timeskip.clock import SECOND, DueTime, Nanoseconds
from timeskip.lanes.direct.identity import WorkerIdentity
from timeskip.lanes.direct.mailbox import Mailbox
from timeskip.lanes.direct.poller import Poller
from timeskip.lanes.direct.requests import Requests
from timeskip.lanes.direct.slot_info import NexusSlotInfo
from timeskip.lanes.direct.slots import Permit, Slots
from timeskip.lanes.holds import Hold
from timeskip.server.calls import Answer

_TIMEOUT = "request-timeout"
_DURATION_PART = re.compile(r"([\d.]+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS: dict[str, float] = {
    "ns": 1,
    "us": SECOND / 1_000_000,
    "µs": SECOND / 1_000_000,
    "μs": SECOND / 1_000_000,
    "ms": SECOND / 1_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}


class _RunningTask:
    """A task that a handler has."""

    def __init__(self, request: Request, permit: Permit[NexusSlotInfo]) -> None:
        self.request = request
        self.permit = permit
        self.timeout: DueTime | None = None


class NexusWorker:
    """Turns Nexus tasks into calls of handlers, and completions into reports."""

    def __init__(
        self,
        requests: Requests,
        identity: WorkerIdentity,
        slots: Slots[NexusSlotInfo],
        *,
        polls: bool,
        grace_period: Nanoseconds,
    ) -> None:
        self._requests = requests
        self._identity = identity
        self._polls = polls
        self._grace_period = grace_period
        self._running: dict[bytes, _RunningTask] = {}
        self._tasks: Mailbox[NexusTask | None] = Mailbox()
        self._stopping = False
        self._grace: DueTime | None = None
        self._being_told: Hold | None = None
        self._poller = Poller(
            requests,
            "PollNexusTaskQueue",
            self._poll_request(),
            PollNexusTaskQueueResponse,
            slots,
            self._take,
        )

    def start(self) -> None:
        """Begin to poll."""
        if self._polls:
            self._poller.start()

    def stop(self) -> None:
        """Take no more tasks. What runs may go on for the period of grace."""
        if self._stopping:
            return
        self._stopping = True
        self._requests.worker_stops(1)
        self._poller.stop()
        self._grace = self._requests.after(self._grace_period, self._end_grace)
        self._end_if_done()

    async def next_task(self) -> NexusTask | None:
        """The next task for the handlers, or the news that one is over; None once all have ended."""
        if self._being_told is not None and self._tasks.is_empty:
            # Whoever asks for the next task has dealt with those before.
            self._being_told.release()
            self._being_told = None
        task = await self._tasks.take()
        if task is None:
            self._tasks.put(None)
        return task

    def completed(self, completion: NexusTaskCompletion) -> None:
        """A handler has ended."""
        token = completion.task_token
        running = self._running.pop(token, None)
        if running is None:
            return
        if running.timeout is not None:
            running.timeout.cancel()
        status = completion.WhichOneof("status")
        if status == "completed":
            self._complete(completion)
        elif status == "failure":
            self._fail(token, _in_words_of(running.request, completion.failure))
        elif status == "error":
            self._fail(token, completion.error)
        running.permit.release()
        self._end_if_done()

    # -- tasks --------------------------------------------------------------------------------

    def _poll_request(self) -> PollNexusTaskQueueRequest:
        identity = self._identity
        return PollNexusTaskQueueRequest(
            namespace=identity.namespace,
            task_queue=TaskQueue(
                name=identity.task_queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL
            ),
            identity=identity.identity,
            worker_instance_key=identity.instance_key,
            worker_version_capabilities=identity.version.capabilities,
            deployment_options=identity.version.deployment,
        )

    def _take(self, task: PollNexusTaskQueueResponse, permit: Permit[NexusSlotInfo]) -> None:
        request = task.request
        _lower_names(request)
        asked = request.start_operation if request.HasField("start_operation") else None
        named = asked or request.cancel_operation
        permit.use(lambda: NexusSlotInfo(named.service, named.operation))
        running = self._running[task.task_token] = _RunningTask(request, permit)
        handed = NexusTask(task=task, endpoint=request.endpoint)
        timeout = _duration(request.header.get(_TIMEOUT, ""))
        if timeout is not None:
            handed.request_deadline.FromNanoseconds(self._requests.now() + timeout)
            running.timeout = self._requests.after(
                timeout, lambda: self._cancel(task.task_token, NexusTaskCancelReason.TIMED_OUT)
            )
        self._tasks.put(handed)

    def _cancel(self, token: bytes, reason: NexusTaskCancelReason.ValueType) -> None:
        """Tell the handler to stop."""
        if self._being_told is None:
            # Who sleeps in virtual time must hear of it before time moves on.
            self._being_told = self._requests.hold_time("a Nexus handler is told to stop")
        self._tasks.put(NexusTask(cancel_task=CancelNexusTask(task_token=token, reason=reason)))

    # -- reports ------------------------------------------------------------------------------

    def _complete(self, completion: NexusTaskCompletion) -> None:
        request = RespondNexusTaskCompletedRequest(
            namespace=self._identity.namespace,
            identity=self._identity.identity,
            task_token=completion.task_token,
            response=completion.completed,
        )
        self._say("RespondNexusTaskCompleted", request)

    def _fail(self, token: bytes, error: Failure | HandlerError) -> None:
        request = RespondNexusTaskFailedRequest(
            namespace=self._identity.namespace,
            identity=self._identity.identity,
            task_token=token,
        )
        if isinstance(error, Failure):
            request.failure.CopyFrom(error)
        else:
            request.error.CopyFrom(error)
        self._say("RespondNexusTaskFailed", request)

    def _say(self, method: str, request: Message) -> None:
        # If it timed out meanwhile, the server does not want to know.
        self._requests.send(method, request, _ignore)

    # -- shutdown -----------------------------------------------------------------------------

    def _end_grace(self) -> None:
        for token in list(self._running):
            self._cancel(token, NexusTaskCancelReason.WORKER_SHUTDOWN)

    def _end_if_done(self) -> None:
        if self._stopping and not self._running and self._grace is not None:
            self._grace.cancel()
            self._grace = None
            self._requests.worker_stops(-1)
            self._tasks.put(None)


def _ignore(answer: Answer) -> None:
    """There is nothing that could be done about it."""


def _lower_names(request: Request) -> None:
    """Names of headers are the same in capitals."""
    for header in (request.header, request.start_operation.callback_header):
        lowered = {name.lower(): value for name, value in header.items()}
        if lowered:
            header.clear()
            header.update(lowered)


def _duration(text: str) -> Nanoseconds | None:
    """A duration as Go writes it; one that has passed is none at all."""
    parts = _DURATION_PART.findall(text)
    if not parts:
        return None
    length = sum(float(amount) * _UNITS[unit] for amount, unit in parts)
    return 0 if text.startswith("-") else int(length)


def _in_words_of(request: Request, failure: Failure) -> Failure | HandlerError:
    """A handler's failure as the server understands it."""
    if request.capabilities.temporal_failure_responses:
        return failure
    info = failure.nexus_handler_failure_info
    told = Failure()
    told.CopyFrom(failure)
    told.ClearField("message")
    return HandlerError(
        error_type=info.type,
        retry_behavior=info.retry_behavior,
        failure=NexusFailure(
            message=failure.message,
            stack_trace=failure.stack_trace,
            metadata={"type": Failure.DESCRIPTOR.full_name},
            details=json.dumps(MessageToDict(told)).encode(),
        ),
    )
