"""The activity half of a worker: polls activity tasks, hands on heartbeats, reports results."""

from __future__ import annotations

import asyncio

from temporalio.api.common.v1 import Payloads, WorkerVersionCapabilities
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.failure.v1 import Failure
from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueMetadata
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    RecordActivityTaskHeartbeatRequest,
    RecordActivityTaskHeartbeatResponse,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCanceledResponse,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskCompletedResponse,
    RespondActivityTaskFailedRequest,
    RespondActivityTaskFailedResponse,
)
from temporalio.bridge.proto import ActivityHeartbeat, ActivityTaskCompletion
from temporalio.bridge.proto.activity_task import (
    ActivityCancellationDetails,
    ActivityCancelReason,
    ActivityTask,
    Cancel,
    Start,
)

from timeskip.lanes.direct.identity import WorkerIdentity
from timeskip.lanes.direct.poller import Poller
from timeskip.lanes.direct.requests import Requests
from timeskip.server.errors import ServiceError, StatusCode

_COPIED = (
    "scheduled_time",
    "current_attempt_scheduled_time",
    "started_time",
    "schedule_to_close_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
    "retry_policy",
    "priority",
)


class ActivityWorker:
    """Turns activity tasks into starts and cancels, and completions into reports."""

    def __init__(
        self,
        requests: Requests,
        identity: WorkerIdentity,
        *,
        slots: int,
        polls: bool,
        eager_slots: int,
        tasks_per_second: float | None,
    ) -> None:
        self._requests = requests
        self._identity = identity
        self._slots = slots
        self._polls = polls
        self._eager_slots = eager_slots
        self._running: dict[bytes, Payloads | None] = {}
        self._cancelled: set[bytes] = set()
        self._tasks: asyncio.Queue[ActivityTask | None] = asyncio.Queue()
        self._stopping = False
        metadata = None
        if tasks_per_second is not None:
            metadata = TaskQueueMetadata()
            metadata.max_tasks_per_second.value = tasks_per_second
        self._poller = Poller(
            requests,
            "PollActivityTaskQueue",
            PollActivityTaskQueueRequest(
                namespace=identity.namespace,
                task_queue=TaskQueue(
                    name=identity.task_queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL
                ),
                identity=identity.identity,
                worker_instance_key=identity.instance_key,
                task_queue_metadata=metadata,
                worker_version_capabilities=WorkerVersionCapabilities(build_id=identity.build_id),
            ),
            PollActivityTaskQueueResponse,
            self._has_room,
            self.take,
        )

    def start(self) -> None:
        if self._polls:
            self._poller.resume()

    def stop(self) -> None:
        """Take no more tasks. Those that run are finished, or cancelled by `cancel_all`."""
        self._stopping = True
        self._poller.stop()
        self._end_if_done()

    def cancel_all(self) -> None:
        """The grace of the shutdown is over: ask what still runs to stop."""
        for token in list(self._running):
            self._cancel(token, ActivityCancelReason.WORKER_SHUTDOWN, is_worker_shutdown=True)

    def eager_room(self, task_queue: str) -> bool:
        """Whether an activity may be given to this worker together with the workflow task's answer."""
        return (
            self._polls
            and not self._stopping
            and task_queue == self._identity.task_queue
            and self._eager_slots > 0
            and self._has_room()
        )

    def take(self, task: PollActivityTaskQueueResponse) -> None:
        self._running[task.task_token] = None
        self._tasks.put_nowait(ActivityTask(task_token=task.task_token, start=_start(task)))

    async def next_task(self) -> ActivityTask | None:
        """The next start or cancel for the activities' code; None once the worker has stopped."""
        task = await self._tasks.get()
        if task is None:
            self._tasks.put_nowait(None)
        return task

    def heartbeat(self, heartbeat: ActivityHeartbeat) -> None:
        """Sent at once: virtual time does not pass meanwhile, so there is nothing to save."""
        token = heartbeat.task_token
        if token not in self._running:
            return
        details = Payloads(payloads=heartbeat.details) if heartbeat.details else None
        self._running[token] = details
        try:
            answer = self._requests.ask(
                "RecordActivityTaskHeartbeat",
                RecordActivityTaskHeartbeatRequest(
                    task_token=token,
                    details=details,
                    identity=self._identity.identity,
                    namespace=self._identity.namespace,
                ),
                RecordActivityTaskHeartbeatResponse,
            )
        except ServiceError as error:
            if error.code == StatusCode.NOT_FOUND:
                self._cancel(token, ActivityCancelReason.NOT_FOUND, is_not_found=True)
            return
        if answer.cancel_requested:
            self._cancel(token, ActivityCancelReason.CANCELLED, is_cancelled=True)
        elif answer.activity_paused:
            self._cancel(token, ActivityCancelReason.PAUSED, is_paused=True)
        elif answer.activity_reset:
            self._cancel(token, ActivityCancelReason.RESET, is_reset=True)

    def completed(self, completion: ActivityTaskCompletion) -> None:
        """The code's result, reported unless something else will complete the activity."""
        token = completion.task_token
        if token not in self._running:
            return
        details = self._running.pop(token)
        self._cancelled.discard(token)
        try:
            self._report(completion, details)
        except ServiceError:
            # Timed out, cancelled or closed meanwhile: the service does not want the result.
            pass
        self._poller.resume()
        self._end_if_done()

    def _report(self, completion: ActivityTaskCompletion, details: Payloads | None) -> None:
        result = completion.result
        identity, namespace = self._identity.identity, self._identity.namespace
        token = completion.task_token
        if result.HasField("completed"):
            completed = RespondActivityTaskCompletedRequest(
                task_token=token, identity=identity, namespace=namespace
            )
            if result.completed.HasField("result"):
                completed.result.payloads.append(result.completed.result)
            self._requests.ask(
                "RespondActivityTaskCompleted", completed, RespondActivityTaskCompletedResponse
            )
        elif result.HasField("failed"):
            self._requests.ask(
                "RespondActivityTaskFailed",
                RespondActivityTaskFailedRequest(
                    task_token=token,
                    failure=result.failed.failure,
                    identity=identity,
                    namespace=namespace,
                    last_heartbeat_details=details,
                ),
                RespondActivityTaskFailedResponse,
            )
        elif result.HasField("cancelled"):
            self._requests.ask(
                "RespondActivityTaskCanceled",
                RespondActivityTaskCanceledRequest(
                    task_token=token,
                    details=_details(result.cancelled.failure),
                    identity=identity,
                    namespace=namespace,
                ),
                RespondActivityTaskCanceledResponse,
            )

    def _cancel(
        self, token: bytes, reason: ActivityCancelReason.ValueType, **details: bool
    ) -> None:
        if token not in self._cancelled:
            self._cancelled.add(token)
            self._tasks.put_nowait(
                ActivityTask(
                    task_token=token,
                    cancel=Cancel(reason=reason, details=ActivityCancellationDetails(**details)),
                )
            )

    def _has_room(self) -> bool:
        return len(self._running) < self._slots

    def _end_if_done(self) -> None:
        if self._stopping and not self._running:
            self._tasks.put_nowait(None)


def _start(task: PollActivityTaskQueueResponse) -> Start:
    start = Start(
        workflow_namespace=task.workflow_namespace,
        workflow_type=task.workflow_type.name,
        workflow_execution=task.workflow_execution,
        activity_id=task.activity_id,
        activity_type=task.activity_type.name,
        input=task.input.payloads,
        heartbeat_details=task.heartbeat_details.payloads,
        attempt=task.attempt,
        run_id=task.activity_run_id,
    )
    for name, payload in task.header.fields.items():
        start.header_fields[name].CopyFrom(payload)
    for field in _COPIED:
        if task.HasField(field):  # type: ignore[arg-type]
            getattr(start, field).CopyFrom(getattr(task, field))
    return start


def _details(failure: Failure) -> Payloads | None:
    info = failure.canceled_failure_info
    return info.details if info.HasField("details") else None
