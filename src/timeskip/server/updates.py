"""The updates of one run: how far each has come, and who waits for it to come further.

An update is admitted when it is requested, sent with a workflow task, accepted or rejected by the
worker, and completed with an outcome. Only its acceptance and its completion are in the history: an
update that was rejected is forgotten, so its id can be used again.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from google.protobuf.message import Message
from temporalio.api.enums.v1 import ResourceExhaustedCause, ResourceExhaustedScope
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage as Stage
from temporalio.api.errordetails.v1 import ResourceExhaustedFailure, WorkflowNotReadyFailure
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.update.v1 import Outcome, Request

from timeskip.server.calls import Call
from timeskip.server.cluster import not_found
from timeskip.server.errors import ServiceError, StatusCode

if TYPE_CHECKING:
    from timeskip.server.run import Run

#: The longest that the real server lets a caller wait; who waits less gets no answer in time.
_LONGEST_WAIT = 20.0


class State(Enum):
    """How far an update has come, in the words of the real server's error messages."""

    ADMITTED = "Admitted"
    SENT = "Sent"
    ACCEPTED = "Accepted"
    COMPLETED = "Completed"
    ABORTED = "Aborted"


_UNDECIDED = (State.ADMITTED, State.SENT)


class Update:
    """One update. `outcome` is there once it is completed, `error` once it is aborted.

    `in_history` is for one that a reset has carried over: its request is an event.
    """

    __slots__ = (
        "accepted_event_id",
        "error",
        "in_history",
        "outcome",
        "request",
        "run",
        "state",
        "waiters",
    )

    def __init__(self, run: Run, request: Request) -> None:
        self.run = run
        self.request = request
        self.state = State.ADMITTED
        self.accepted_event_id = 0
        self.in_history = False
        self.outcome: Outcome | None = None
        self.error: ServiceError | None = None
        self.waiters: list[Waiter] = []

    @property
    def id(self) -> str:
        return self.request.meta.update_id

    @property
    def is_undecided(self) -> bool:
        """Whether no worker has accepted or rejected it."""
        return self.state in _UNDECIDED

    @property
    def is_in_flight(self) -> bool:
        return self.is_undecided or self.state is State.ACCEPTED

    @property
    def stage(self) -> Stage.ValueType:
        if self.outcome is not None:
            return Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
        if self.state is State.ACCEPTED:
            return Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED
        return Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ADMITTED

    def complete(self, outcome: Outcome) -> None:
        self.state = State.COMPLETED
        self.outcome = outcome

    def reject(self, failure: Failure) -> None:
        """The worker does not take it. Who waits for it is told; nothing else is left of it."""
        self.complete(Outcome(failure=failure))
        self.run.updates.pop(self.id, None)

    def fail(self, error: ServiceError) -> None:
        self.state = State.ABORTED
        self.error = error

    def tell(self) -> None:
        """Answer the callers who waited for what has been reached."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if waiter.call.answered:
                continue
            if self.error is not None:
                waiter.forget()
                waiter.call.fail(waiter.refusal(self.error))
            elif self.stage >= waiter.stage:
                waiter.forget()
                waiter.call.respond(waiter.response(self))
            else:
                self.waiters.append(waiter)


class Waiter:
    """A call that waits for an update to come to a stage.

    `response` and `refusal` make its answer of what the update has come to.
    """

    __slots__ = ("call", "refusal", "response", "stage", "update")

    def __init__(
        self,
        call: Call,
        update: Update,
        stage: Stage.ValueType,
        response: Callable[[Update], Message],
        refusal: Callable[[ServiceError], ServiceError] = lambda error: error,
    ) -> None:
        self.call = call
        self.update = update
        self.stage = stage
        self.response = response
        self.refusal = refusal

    def wait(self) -> Message | None:
        """The answer, if the stage is reached; otherwise the call stays open until it is."""
        if self.update.error is not None:
            raise self.refusal(self.update.error)
        if self.update.stage >= self.stage:
            return self.response(self.update)
        self.update.waiters.append(self)
        self.update.run.cluster.time_waits[self.call] = self.update.run
        self.call.on_cancel = self.forget
        self.call.on_expiry = self._expire
        return None

    def forget(self) -> None:
        self.update.run.cluster.time_waits.pop(self.call, None)

    def _expire(self) -> None:
        self.forget()
        if self.call.timeout is None or self.call.timeout > _LONGEST_WAIT:
            self.call.respond(self.response(self.update))


def admit(run: Run, request: Request) -> Update:
    """Take note of a new update."""
    update = Update(run, request)
    run.updates[update.id] = run.updates_in_flight[update.id] = update
    return update


def tell(run: Run) -> None:
    """Answer everybody whose update has come far enough. A run that has closed aborts the rest."""
    if not run.updates_in_flight:
        return
    if not run.is_open:
        _abort(run)
    for update in [*run.updates_in_flight.values()]:
        update.tell()
        if not update.is_in_flight:
            del run.updates_in_flight[update.id]


def abort_sent(run: Run) -> None:
    """The workflow task that carried updates was not accepted by the service: they are lost."""
    for update in _sent(run):
        del run.updates[update.id]
        update.fail(
            ServiceError(
                StatusCode.FAILED_PRECONDITION,
                "Unable to perform workflow execution update due to unexpected workflow task "
                "failure.",
                WorkflowNotReadyFailure(),
            )
        )


def reject_ignored(run: Run) -> None:
    """Reject the updates that a worker was sent but did not answer: it does not know updates."""
    for update in _sent(run):
        update.reject(
            _server_failure(
                "UnprocessedUpdate",
                "Workflow Update is rejected because it wasn't processed by worker. "
                "Probably, Workflow Update is not supported by the worker.",
            )
        )


def has_unsent(run: Run) -> bool:
    """Whether updates wait for a workflow task that carries them."""
    return any(update.state is State.ADMITTED for update in run.updates_in_flight.values())


def forget_unaccepted(run: Run) -> None:
    """The service has restarted, and knows only of updates that are in histories.

    One that a worker has in a task that is in the history can still be accepted: the worker's answer
    says all that there is to know of it.
    """
    task = run.workflow_task
    is_with_worker = task is not None and bool(task.started_event_id) and not task.speculative
    for update in [*run.updates_in_flight.values()]:
        is_kept = update.in_history or (update.state is State.SENT and is_with_worker)
        if update.is_undecided and not is_kept:
            del run.updates[update.id], run.updates_in_flight[update.id]


def _sent(run: Run) -> list[Update]:
    return [each for each in run.updates_in_flight.values() if each.state is State.SENT]


def _abort(run: Run) -> None:
    followed = run.namespace.current_run(run.workflow_id) is not run
    for update in run.updates_in_flight.values():
        if update.state is State.ACCEPTED:
            update.complete(
                Outcome(
                    failure=_server_failure(
                        "AcceptedUpdateCompletedWorkflow",
                        "Workflow Update failed because the Workflow completed before the Update "
                        "completed.",
                    )
                )
            )
        elif update.is_undecided:
            update.fail(_continuing() if followed else _closing())


def _closing() -> ServiceError:
    return not_found("workflow update was aborted by closing workflow")


def _continuing() -> ServiceError:
    """Clients ask again after this, and meet the next run."""
    return ServiceError(
        StatusCode.RESOURCE_EXHAUSTED,
        "workflow operation can not be applied because workflow is closing",
        ResourceExhaustedFailure(
            cause=ResourceExhaustedCause.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW,
            scope=ResourceExhaustedScope.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
        ),
    )


def _server_failure(kind: str, message: str) -> Failure:
    return Failure(
        message=message,
        source="Server",
        application_failure_info=ApplicationFailureInfo(type=kind, non_retryable=True),
    )
