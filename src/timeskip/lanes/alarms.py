"""Watches a simulation for what would make a test hang, and ends the waiting at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import MarkerRecordedEventAttributes
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.service import RPCError

from timeskip.errors import (
    ActivityNotRegistered,
    SimulationStalled,
    TimeskipError,
    TooManyAttempts,
    WorkflowTaskFailed,
)
from timeskip.histories.core_markers import local_activity_data
from timeskip.lanes import alarm_texts
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.server.calls import Call
from timeskip.server.errors import ServiceError, StatusCode

if TYPE_CHECKING:
    from timeskip.server.activities import Activity
    from timeskip.server.nexus_operations import NexusOperation
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


#: After so many attempts that no worker took, which is after a day, no worker is expected any more.
_UNTAKEN_NEXUS_TASKS = 40


class Alarms:
    """Observes the service. Whatever goes off ends every wait of the test with its error.

    An alarm that nobody was waiting for is kept, and raised by the next wait or by `check`.
    """

    def __init__(self, keeper: TimeKeeper, max_activity_attempts: int) -> None:
        self._keeper = keeper
        self._max_activity_attempts = max_activity_attempts
        self._given_up: dict[str, TimeskipError] = {}
        self._raised: list[Exception] = []
        self._pending: Exception | None = None
        #: The run that this is about, if it is one.
        self._about: Run | None = None
        #: Greater than 0 while the test says that it expects failing workflow tasks.
        self.expecting = 0
        #: Whether whatever a test waits for ends, and not only what is about the run that was given up.
        #: That may be one that another test of a suite has left behind.
        self.tells_everybody = True
        #: How many faults, of those that do not go on for ever, may have cost an attempt.
        self.excused_attempts = 0
        #: Finds out why a workflow is nondeterministic, from the message of its failed task.
        self.why_nondeterministic: Callable[[Run, str], str | None] | None = None

    @property
    def events(self) -> int:
        """Grows with every event: none is alarming by itself, but that there are new ones matters.

        And with every fault that does not go on for ever: of many attempts only the first leaves events.
        """
        return self._keeper.service.cluster.ids.last_task_id + self.excused_attempts

    # -- what the service tells ---------------------------------------------------------------

    def workflow_task_failed(
        self, run: Run, task: WorkflowTask, cause: int, failure: object
    ) -> None:
        """Give up the run, unless the test expects the failure."""
        if cause in _HARMLESS:
            return
        if self.expecting:
            self.workflow_task_abandoned(run, task)
        else:
            name = Cause.Name(Cause.ValueType(cause)).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
            told = failure if isinstance(failure, Failure) else Failure()
            self._give_up(
                run,
                WorkflowTaskFailed(
                    alarm_texts.workflow_task_failed(run, name, told, self._why(run, name, told)),
                    workflow_id=run.workflow_id,
                    run_id=run.run_id,
                    cause=name,
                ),
            )

    def workflow_task_kept_too_long(self, run: Run, task: WorkflowTask) -> None:
        """Give up the run, unless the test expects it: its local activity begins anew for ever."""
        if not self.expecting:
            self._give_up(
                run,
                WorkflowTaskFailed(
                    alarm_texts.local_activity_too_long(run),
                    workflow_id=run.workflow_id,
                    run_id=run.run_id,
                    cause="WORKFLOW_TASK_HEARTBEAT_TIMEOUT",
                ),
            )

    def _why(self, run: Run, cause: str, failure: Failure) -> str | None:
        if cause != "NON_DETERMINISTIC_ERROR" or self.why_nondeterministic is None:
            return None
        return self.why_nondeterministic(run, failure.message)

    def workflow_task_abandoned(self, run: Run, task: WorkflowTask) -> None:
        """The worker lets a task time out that failed before."""
        if self._is_too_much(task.attempt):
            self._give_up(run, TooManyAttempts(alarm_texts.workflow_task_fails_for_ever(run, task)))

    def activity_attempt_failed(self, run: Run, activity: Activity, failure: object) -> None:
        """Give up the run if the activity cannot succeed, or seems never to."""
        if not isinstance(failure, Failure):
            return
        unknown = alarm_texts.activity_unknown(run, activity, failure)
        # With a limited number of attempts the workflow is told, and may go on.
        is_endless = not activity.scheduled.retry_policy.maximum_attempts
        if unknown is not None and is_endless and not self.expecting:
            self._give_up(run, ActivityNotRegistered(unknown))
        elif self._is_too_much(activity.attempt):
            text = alarm_texts.activity_fails_for_ever(run, activity, failure)
            self._give_up(run, TooManyAttempts(text))

    def marker_recorded(self, run: Run, marker: MarkerRecordedEventAttributes) -> None:
        """Give up the run if the marker tells of a local activity that seems never to succeed."""
        if not marker.HasField("failure"):
            return
        for _, data in local_activity_data(marker):
            # With a backoff it is tried again, after a timer of the workflow's.
            if data.get("backoff") and self._is_too_much(int(data.get("attempt", 1))):
                text = alarm_texts.local_activity_fails_for_ever(run, data, marker.failure)
                self._give_up(run, TooManyAttempts(text))

    def nexus_attempt_failed(self, operation: NexusOperation, failure: Failure) -> None:
        """Give up the run if the operation seems never to begin."""
        is_forsaken = operation.untaken >= _UNTAKEN_NEXUS_TASKS
        if is_forsaken or self._is_too_much(operation.attempt):
            text = alarm_texts.nexus_operation_fails_for_ever(operation, failure)
            self._give_up(operation.run, TooManyAttempts(text))

    def _is_too_much(self, attempt: int) -> bool:
        return attempt - self.excused_attempts >= self._max_activity_attempts

    def call_opened(self, call: Call) -> None:
        """Somebody waits for news of a run that was given up: there will be none."""
        cluster = self._keeper.service.cluster
        run = cluster.time_waits.get(call) or cluster.open_queries().get(call)
        if run is not None and run.run_id in self._given_up:
            self._keeper.loop.call_soon(self.end_waits, self._given_up[run.run_id], run)

    def _give_up(self, run: Run, error: TimeskipError) -> None:
        """The run is not tried again: that would go on for ever, and time with it."""
        if run.stands_still:
            return
        run.stands_still = True
        self._given_up[run.run_id] = error
        if self.tells_everybody or run in self._awaited():
            self.raise_everywhere(error, run)

    def _awaited(self) -> list[Run]:
        cluster = self._keeper.service.cluster
        return [*cluster.time_waits.values(), *cluster.open_queries().values()]

    def of_others(self) -> TimeskipError | None:
        """What went off for a run that nobody was waiting for, and that is still open."""
        runs = self._keeper.service.cluster.runs
        for run_id, error in self._given_up.items():
            run = runs.get(run_id)
            if run is not None and run.is_open:
                return error
        return None

    # -- what the test is told ----------------------------------------------------------------

    def raise_everywhere(self, error: Exception, about: Run | None = None) -> None:
        """End all waits with `error`, as soon as the service has finished what it is doing."""
        if self._pending is None:
            self._pending, self._about = error, about
        # No time passes before the test has heard of it.
        hold = self._keeper.holds.take("the test is told what is wrong")

        def tell() -> None:
            self.end_waits(error)
            hold.release()

        self._keeper.loop.call_soon(tell)

    def check(self) -> None:
        """Raise what went off while nobody was waiting."""
        error = self.take_pending()
        if error is not None:
            raise error

    @property
    def is_anything_unheard(self) -> bool:
        """Whether something went off while nobody was waiting."""
        return self._pending is not None

    def take_pending(self) -> Exception | None:
        """What went off while nobody was waiting, and counts as raised from now on."""
        error, self._pending = self._pending, None
        about, self._about = self._about, None
        # The test has ended the run since, and so what was the matter with it.
        return error if about is None or about.is_open else None

    def before_call(self, request: Message) -> None:
        """Raise what went off, if the test waits for something, or has asked for too long.

        Who reads the history of the run that it is about sees for himself what happened there.
        """
        if isinstance(self._pending, SimulationStalled):
            self.check()
        elif isinstance(request, GetWorkflowExecutionHistoryRequest):
            if request.wait_new_event:
                self.check()
            elif self._about and self._about.workflow_id == request.execution.workflow_id:
                self.take_pending()

    def explain(self, rpc_error: RPCError) -> Exception | None:
        """The exception that a gRPC error of ours stands for."""
        if not rpc_error.raw_grpc_status:
            return None
        for detail in rpc_error.grpc_status.details:
            info = ErrorInfo()
            if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
                return _copy(self._raised[int(info.metadata["index"])])
        return None

    def end_waits(self, error: Exception, only: Run | None = None) -> None:
        """End all waits with `error` now, or those for one run."""
        cluster = self._keeper.service.cluster
        waiting = {**cluster.time_waits, **cluster.open_queries()}
        calls = [call for call, run in waiting.items() if only is None or run is only]
        if only is None:
            calls += cluster.sleeping_calls
        if self._pending is error and (calls or self._keeper.waits):
            self._pending = self._about = None
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
