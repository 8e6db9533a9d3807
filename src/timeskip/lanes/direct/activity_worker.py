"""The activity half of a worker: polls activity tasks, hands on heartbeats, reports results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import CommandType, TaskQueueKind
from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueMetadata
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    RecordActivityTaskHeartbeatRequest,
    RecordActivityTaskHeartbeatResponse,
)
from temporalio.bridge.proto import ActivityHeartbeat, ActivityTaskCompletion
from temporalio.bridge.proto.activity_task import (
    ActivityCancellationDetails,
    ActivityCancelReason,
    ActivityTask,
    Cancel,
    Start,
)

from timeskip.clock import SECOND, DueTime, Nanoseconds
from timeskip.lanes.direct.activity_heartbeats import ActivityHeartbeats
from timeskip.lanes.direct.activity_reports import ActivityReports
from timeskip.lanes.direct.identity import WorkerIdentity
from timeskip.lanes.direct.local_activities import LocalActivities
from timeskip.lanes.direct.machines.payloads import copy_set_fields
from timeskip.lanes.direct.mailbox import Mailbox
from timeskip.lanes.direct.pace import Pace
from timeskip.lanes.direct.payload_limits import PayloadLimits
from timeskip.lanes.direct.poller import Poller
from timeskip.lanes.direct.requests import Requests
from timeskip.lanes.direct.slot_info import ActivitySlotInfo
from timeskip.lanes.direct.slots import Permit, Slots
from timeskip.lanes.holds import Hold
from timeskip.server.calls import Answer
from timeskip.server.errors import ServiceError, StatusCode

#: An attempt that runs out of time is told so by its worker itself, this long after the server has
#: given it up.
_TIMEOUT_BUFFER = 5 * SECOND

#: The share of its heartbeat timeout that an activity's heartbeats are thinned to.
_THROTTLE_SHARE = 0.8


@dataclass(frozen=True)
class ActivitySettings:
    """What a worker's configuration says about activities."""

    polls: bool
    max_eager_per_task: int
    tasks_per_second: float | None
    queue_tasks_per_second: float | None
    longest_throttle: Nanoseconds
    default_throttle: Nanoseconds
    grace_period: Nanoseconds


class _RunningActivity:
    """An attempt that the activities' code has."""

    def __init__(
        self,
        permit: Permit[ActivitySlotInfo],
        heartbeats: ActivityHeartbeats,
        heartbeat_timeout: Nanoseconds,
    ) -> None:
        self.permit = permit
        self.heartbeats = heartbeats
        self.heartbeat_timeout = heartbeat_timeout
        self.timeouts: dict[str, DueTime] = {}
        #: Why it was told to stop, if it was.
        self.cancelled_for: ActivityCancelReason.ValueType | None = None
        #: Whether the server does not want to hear of it any more.
        self.is_unknown = False

    def stop_clocks(self) -> None:
        self.heartbeats.stop()
        for due in self.timeouts.values():
            due.cancel()


class ActivityWorker:
    """Turns activity tasks into starts and cancels, and completions into reports."""

    def __init__(
        self,
        requests: Requests,
        identity: WorkerIdentity,
        settings: ActivitySettings,
        slots: Slots[ActivitySlotInfo],
        limits: PayloadLimits,
    ) -> None:
        self._requests = requests
        self._identity = identity
        self._settings = settings
        self._slots = slots
        self._limits = limits
        self._reports = ActivityReports(requests, identity, limits)
        self._running: dict[bytes, _RunningActivity] = {}
        self._tasks: Mailbox[ActivityTask | None] = Mailbox()
        #: The tokens of what the code has not ended yet.
        self._with_code: set[bytes] = set()
        self._stopping = False
        self._stopped = False
        self._grace_is_over = False
        self._workflows_stopped = False
        self._grace: DueTime | None = None
        self._being_told: Hold | None = None
        #: Set once, right after both have been made: they belong together.
        self.local_activities: LocalActivities | None = None
        self._poller = Poller(
            requests,
            "PollActivityTaskQueue",
            self._poll_request(),
            PollActivityTaskQueueResponse,
            slots,
            self._take,
            pace=None
            if settings.tasks_per_second is None
            else Pace(requests, settings.tasks_per_second),
        )

    def start(self) -> None:
        """Begin to poll."""
        if self._settings.polls:
            self._poller.start()

    def stop(self) -> None:
        """Take no more tasks. What runs may go on for the period of grace."""
        if self._stopping:
            return
        self._stopping = True
        self._requests.worker_stops(1)
        self._poller.stop()
        if self._settings.grace_period:
            self._grace = self._requests.after(self._settings.grace_period, self._end_grace)
        else:
            self._end_grace()
        self._end_if_done()

    def workflows_have_stopped(self) -> None:
        """No workflow of this worker will ask for a local activity any more."""
        self._workflows_stopped = True
        self._end_if_done()

    def reserve_for(self, commands: Iterable[Command]) -> list[Permit[ActivitySlotInfo]]:
        """Slots for the activities that may come back together with the answer to these commands.

        Commands for whose activities there is no slot are changed to say so.
        """
        permits: list[Permit[ActivitySlotInfo]] = []
        settings = self._settings
        # Activities that come back so would not count against the rate of the queue.
        is_free = not (settings.queue_tasks_per_second or 0) > 0
        for command in commands:
            if command.command_type != CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK:
                continue
            attributes = command.schedule_activity_task_command_attributes
            if not attributes.request_eager_execution:
                continue
            permit = None
            if (
                settings.polls
                and is_free
                and not self._stopping
                and attributes.task_queue.name == self._identity.task_queue
                and len(permits) < settings.max_eager_per_task
            ):
                permit = self._slots.try_reserve()
            if permit is None:
                attributes.request_eager_execution = False
            else:
                permits.append(permit)
        return permits

    def take_eager(
        self,
        tasks: Sequence[PollActivityTaskQueueResponse],
        permits: Sequence[Permit[ActivitySlotInfo]],
    ) -> None:
        """Take on the activities that came back, and give back the slots that are left."""
        for task, permit in zip(self._requests.in_any_order(tasks), permits, strict=False):
            self._take(task, permit)
        for permit in permits[len(tasks) :]:
            permit.release()

    def dispatch(self, task: ActivityTask) -> None:
        """Give a task to the activities' code."""
        if self._being_told is None and task.HasField("cancel"):
            # Who sleeps in virtual time must hear of it before time moves on.
            self._being_told = self._requests.hold_time("an activity is told to stop")
        if task.HasField("start"):
            self._with_code.add(task.task_token)
        self._tasks.put(task)

    async def next_task(self) -> ActivityTask | None:
        """The next start or cancel for the activities' code; None once the worker has stopped."""
        while True:
            if self._tasks.is_empty:
                # Whoever asks for the next task has dealt with those before.
                self._all_are_told()
            task = await self._tasks.take()
            if task is None:
                self._tasks.put(None)
                self._all_are_told()
            elif task.HasField("cancel") and task.task_token not in self._with_code:
                continue  # it has ended meanwhile, on a loop that it blocked perhaps
            return task

    def _all_are_told(self) -> None:
        if self._being_told is not None:
            self._being_told.release()
            self._being_told = None

    def heartbeat(self, heartbeat: ActivityHeartbeat) -> None:
        """The code says that it is alive."""
        activity = self._running.get(heartbeat.task_token)
        if activity is not None:
            activity.heartbeats.beat(heartbeat.details)

    def completed(self, completion: ActivityTaskCompletion) -> None:
        """The code has ended, or something else will complete the activity."""
        token, result = completion.task_token, completion.result
        self._with_code.discard(token)
        if self.local_activities is not None and self.local_activities.owns(token):
            self.local_activities.completed(token, result)
            self._end_if_done()
            return
        activity = self._running.pop(token, None)
        if activity is None:
            return
        activity.stop_clocks()
        if not activity.is_unknown:
            shut_down = activity.cancelled_for == ActivityCancelReason.WORKER_SHUTDOWN
            if result.HasField("cancelled") and not shut_down:
                # A report of a cancellation has no room for what the activity said last.
                activity.heartbeats.flush()
            self._reports.report(
                token, result, activity.heartbeats.latest, worker_shuts_down=shut_down
            )
        activity.permit.release()
        self._end_if_done()

    # -- tasks --------------------------------------------------------------------------------

    def _poll_request(self) -> PollActivityTaskQueueRequest:
        identity = self._identity
        request = PollActivityTaskQueueRequest(
            namespace=identity.namespace,
            task_queue=TaskQueue(
                name=identity.task_queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL
            ),
            identity=identity.identity,
            worker_instance_key=identity.instance_key,
            worker_version_capabilities=identity.version.capabilities,
            deployment_options=identity.version.deployment,
        )
        rate = self._settings.queue_tasks_per_second
        if rate is not None:
            metadata = TaskQueueMetadata()
            metadata.max_tasks_per_second.value = rate
            request.task_queue_metadata.CopyFrom(metadata)
        return request

    def _take(self, task: PollActivityTaskQueueResponse, permit: Permit[ActivitySlotInfo]) -> None:
        token = task.task_token
        permit.use(lambda: ActivitySlotInfo(activity_type=task.activity_type.name))
        heartbeat_timeout = task.heartbeat_timeout.ToNanoseconds()
        activity = _RunningActivity(
            permit,
            ActivityHeartbeats(
                self._requests,
                self._throttle(heartbeat_timeout),
                lambda details: self._send_heartbeat(token, details),
            ),
            heartbeat_timeout,
        )
        self._running[token] = activity
        self.dispatch(ActivityTask(task_token=token, start=_start(task)))
        if self._grace_is_over:
            self._cancel(token, ActivityCancelReason.WORKER_SHUTDOWN, is_worker_shutdown=True)
            return
        self._watch(token, activity, "heartbeat", heartbeat_timeout)
        self._watch(token, activity, "whole", task.start_to_close_timeout.ToNanoseconds())

    def _throttle(self, heartbeat_timeout: Nanoseconds) -> Nanoseconds:
        settings = self._settings
        throttle = int(heartbeat_timeout * _THROTTLE_SHARE) or settings.default_throttle
        return min(throttle, settings.longest_throttle)

    def _watch(
        self, token: bytes, activity: _RunningActivity, what: str, timeout: Nanoseconds
    ) -> None:
        """Tell the code if the server must have given the attempt up by now."""
        before = activity.timeouts.pop(what, None)
        if before is not None:
            before.cancel()
        if timeout:
            activity.timeouts[what] = self._requests.after(
                timeout + _TIMEOUT_BUFFER,
                lambda: self._cancel(
                    token, ActivityCancelReason.TIMED_OUT, is_not_found=True, is_timed_out=True
                ),
            )

    def _send_heartbeat(self, token: bytes, details: Payloads | None) -> None:
        request = RecordActivityTaskHeartbeatRequest(
            task_token=token,
            details=details,
            identity=self._identity.identity,
            namespace=self._identity.namespace,
        )
        too_large = self._limits.complaint(request)
        if too_large is not None:
            self._reports.report_too_large(token, too_large, None)
            self._cancel(token, ActivityCancelReason.CANCELLED, is_cancelled=True)
            return
        self._requests.send(
            "RecordActivityTaskHeartbeat",
            request,
            lambda answer: self._heartbeat_answered(token, answer),
        )

    def _heartbeat_answered(self, token: bytes, answer: Answer) -> None:
        if isinstance(answer, ServiceError):
            if answer.code == StatusCode.NOT_FOUND:
                self._cancel(token, ActivityCancelReason.NOT_FOUND, is_not_found=True)
            return
        assert isinstance(answer, RecordActivityTaskHeartbeatResponse)
        if answer.cancel_requested:
            reason = ActivityCancelReason.CANCELLED
        elif answer.activity_reset:
            reason = ActivityCancelReason.RESET
        elif answer.activity_paused:
            reason = ActivityCancelReason.PAUSED
        else:
            activity = self._running.get(token)
            if activity is not None:
                self._watch(token, activity, "heartbeat", activity.heartbeat_timeout)
            return
        self._cancel(
            token,
            reason,
            is_cancelled=answer.cancel_requested,
            is_paused=answer.activity_paused,
            is_reset=answer.activity_reset,
        )

    def _cancel(
        self, token: bytes, reason: ActivityCancelReason.ValueType, **details: bool
    ) -> None:
        """Tell the code to stop, once."""
        activity = self._running.get(token)
        if activity is None or activity.cancelled_for is not None:
            return
        activity.cancelled_for = reason
        activity.is_unknown = details.get("is_not_found", False)
        self.dispatch(
            ActivityTask(
                task_token=token,
                cancel=Cancel(reason=reason, details=ActivityCancellationDetails(**details)),
            )
        )

    # -- shutdown -----------------------------------------------------------------------------

    def _end_grace(self) -> None:
        self._grace_is_over = True
        for token in list(self._running):
            self._cancel(token, ActivityCancelReason.WORKER_SHUTDOWN, is_worker_shutdown=True)

    def _end_if_done(self) -> None:
        local = self.local_activities
        if (
            self._stopping
            and not self._stopped
            and not self._running
            and (local is None or (self._workflows_stopped and local.is_idle))
        ):
            self._stopped = True
            if self._grace is not None:
                self._grace.cancel()
            self._requests.worker_stops(-1)
            self._tasks.put(None)


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
    copy_set_fields(
        task,
        start,
        "scheduled_time",
        "current_attempt_scheduled_time",
        "started_time",
        "schedule_to_close_timeout",
        "start_to_close_timeout",
        "heartbeat_timeout",
        "retry_policy",
        "priority",
    )
    return start
