"""Watches a simulation for what would make a test hang, and ends the waiting at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.rpc.error_details_pb2 import ErrorInfo
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.service import RPCError

from timeskip.errors import (
    ActivityNotRegistered,
    TimeskipError,
    TooManyAttempts,
    WorkflowTaskFailed,
)
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.server.errors import ServiceError, StatusCode

if TYPE_CHECKING:
    from timeskip.server.activities import Activity
    from timeskip.server.run import Run
    from timeskip.server.workflow_tasks import WorkflowTask

#: Marks the gRPC errors that stand for an exception of ours.
ERROR_DOMAIN = "timeskip"

#: Failed tasks that belong to a run's normal life: the service asks for another try by itself.
_HARMLESS = frozenset(
    {
        Cause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
    }
)

#: The type and the first words of the Python SDK's failure for an activity that a worker lacks.
_NOT_REGISTERED = ("NotFoundError", "Activity function ")


class Alarms:
    """Observes the service. Whatever goes off ends every wait of the test with its error.

    An alarm that nobody was waiting for is kept and raised by the next wait, or at the latest by
    `raise_pending` when the simulation ends.
    """

    def __init__(self, keeper: TimeKeeper, max_activity_attempts: int) -> None:
        self._keeper = keeper
        self._max_activity_attempts = max_activity_attempts
        self._doomed: dict[str, TimeskipError] = {}
        self._raised: list[Exception] = []
        self.pending: Exception | None = None
        #: Greater than 0 while the test says that it expects failing workflow tasks.
        self.expecting = 0

    def event_recorded(self, run: Run, event: HistoryEvent) -> None:
        """Nothing in a history is alarming by itself."""

    def workflow_task_failed(
        self, run: Run, task: WorkflowTask, cause: Cause.ValueType, failure: object
    ) -> None:
        if cause in _HARMLESS or self.expecting:
            return
        name = Cause.Name(cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
        self._raise_for(
            run,
            WorkflowTaskFailed(
                _workflow_task_message(run, name, failure),
                workflow_id=run.workflow_id,
                run_id=run.run_id,
                cause=name,
            ),
        )

    def activity_attempt_failed(self, run: Run, activity: Activity, failure: object) -> None:
        if not isinstance(failure, Failure) or self.expecting:
            return
        if failure.application_failure_info.type == _NOT_REGISTERED[
            0
        ] and failure.message.startswith(_NOT_REGISTERED[1]):
            self._raise_for(run, ActivityNotRegistered(_not_registered(run, activity, failure)))
        elif activity.attempt >= self._max_activity_attempts:
            self._raise_for(run, TooManyAttempts(_too_many(run, activity, failure)))

    def end_doomed_waits(self) -> bool:
        """End the waits for runs that have been given up, each with its own error; False if none."""
        waiting = self._keeper.service.cluster.time_waits
        doomed = {run.run_id: run for run in waiting.values() if run.run_id in self._doomed}
        for run_id, run in doomed.items():
            self._end_waits(self._doomed[run_id], run)
        return bool(doomed)

    def _raise_for(self, run: Run, error: TimeskipError) -> None:
        """Give up a run. It is not tried again: that would go on for ever, and time with it."""
        run.stands_still = True
        self._doomed[run.run_id] = error
        self.raise_everywhere(error)

    def raise_everywhere(self, error: Exception) -> None:
        """End all waits with `error`, as soon as the service has finished what it is doing."""
        if self.pending is None:
            self.pending = error
        self._keeper.loop.call_soon(self._end_waits, error)

    def check(self) -> None:
        """Raise what went off while nobody was waiting."""
        error, self.pending = self.pending, None
        if error is not None:
            raise error

    def explain(self, rpc_error: RPCError) -> Exception | None:
        """The exception that a gRPC error of ours stands for."""
        if not rpc_error.raw_grpc_status:
            return None
        for detail in rpc_error.grpc_status.details:
            info = ErrorInfo()
            if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
                self.pending = None
                return _copy(self._raised[int(info.metadata["index"])])
        return None

    def _end_waits(self, error: Exception, only: Run | None = None) -> None:
        cluster = self._keeper.service.cluster
        waiting = {**cluster.time_waits, **cluster.open_queries()}
        calls = [call for call, run in waiting.items() if only is None or run is only]
        if calls or self._keeper.waits:
            self.pending = None
        self._raised.append(error)
        info = ErrorInfo(
            domain=ERROR_DOMAIN,
            reason=type(error).__name__,
            metadata={"index": str(len(self._raised) - 1)},
        )
        for call in calls:
            self._keeper.service.cancel(call)
            call.fail(ServiceError(StatusCode.FAILED_PRECONDITION, str(error), info))
        if only is None:
            self._keeper.fail_waits(_copy(error))


def _copy(error: Exception) -> Exception:
    """The same error once more: an exception that is raised twice would collect both tracebacks.

    An exception of the test's own may not be made to be copied; it is raised as it is.
    """
    if not isinstance(error, TimeskipError):
        return error
    copied = type(error).__new__(type(error), *error.args)
    copied.args = error.args
    copied.__dict__.update(error.__dict__)
    return copied


def _workflow_task_message(run: Run, cause: str, failure: object) -> str:
    lines = [
        f"workflow {run.workflow_id!r} ({run.workflow_type}) cannot go on: "
        f"its workflow task failed ({cause})",
    ]
    if isinstance(failure, Failure):
        lines.append("")
        lines.extend(_told(failure))
    lines += [
        "",
        "A real server would try the task again and again, and the workflow would stand still.",
        "If the test is about just that, wrap it in `with sim.expect_workflow_task_failures():`.",
    ]
    return "\n".join(lines)


def _told(failure: Failure) -> list[str]:
    """A failure with its causes, as Python would print the traceback."""
    lines = []
    if failure.HasField("cause"):
        lines += [*_told(failure.cause), "", "The above was the cause of:", ""]
    trace = _own_frames(failure.stack_trace)
    if trace:
        lines += ["Traceback (most recent call last):", *trace]
    kind = failure.application_failure_info.type
    lines.append(f"{kind}: {failure.message}" if kind else failure.message)
    return lines


def _own_frames(stack_trace: str) -> list[str]:
    """The lines of a Python stack trace without the SDK's frames, if any others are left."""
    frames: list[list[str]] = []
    for line in stack_trace.splitlines():
        if line.startswith('  File "') or not frames:
            frames.append([])
        if line.strip():
            frames[-1].append(line)
    own = [frame for frame in frames if frame and not _is_ours(frame[0])]
    return [line for frame in own or frames for line in frame]


def _is_ours(line: str) -> bool:
    path = line.replace("\\", "/")
    return "/temporalio/" in path or "/timeskip/" in path


def _not_registered(run: Run, activity: Activity, failure: Failure) -> str:
    known = failure.message.partition("available activities:")[2].strip() or "none"
    return (
        f"workflow {run.workflow_id!r} ({run.workflow_type}) called the activity "
        f"{activity.scheduled.activity_type.name!r}, which the worker of task queue "
        f"{activity.scheduled.task_queue.name!r} does not know.\n"
        f"Registered there: {known}.\n"
        "Add it to the worker's `activities=[...]`. A real server would retry it for ever."
    )


def _too_many(run: Run, activity: Activity, failure: Failure) -> str:
    told = "\n".join(_told(failure))
    return (
        f"the activity {activity.scheduled.activity_type.name!r} of workflow {run.workflow_id!r} "
        f"({run.workflow_type}) has failed {activity.attempt} times in a row and its retry policy "
        f"allows more, so the test would never end. Its last failure:\n\n{told}\n\n"
        "Give the activity a `maximum_attempts` or a `schedule_to_close_timeout`, or the "
        "simulation a larger `max_activity_attempts`."
    )
