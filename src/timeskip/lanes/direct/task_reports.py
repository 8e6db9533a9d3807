"""Tells the server what came of workflow tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import QueryResultType, TaskQueueKind
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.query.v1 import WorkflowQueryResult
from temporalio.api.taskqueue.v1 import StickyExecutionAttributes, TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueResponse,
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    RespondWorkflowTaskFailedRequest,
)
from temporalio.bridge.proto.workflow_activation import RemoveFromCache
from temporalio.bridge.proto.workflow_commands import QueryResult
from temporalio.bridge.proto.workflow_completion import Failure as CompletionFailure

from timeskip.lanes.direct.activity_worker import ActivityWorker
from timeskip.lanes.direct.identity import WorkerIdentity
from timeskip.lanes.direct.payload_limits import PayloadLimits
from timeskip.lanes.direct.requests import Requests
from timeskip.lanes.direct.task_outcomes import AnswerQuery, CompleteTask, FailTask, Outcome
from timeskip.server.calls import Answer
from timeskip.server.errors import ServiceError, StatusCode

_Evict = RemoveFromCache.EvictionReason


@dataclass
class Report:
    """How it went.

    `dropped`: the task is over although the server has not heard of it. `eviction`: why the run is
    to be forgotten. `reset_to`: the start of the task that the server goes back to.
    """

    reported: bool = False
    dropped: bool = False
    reset_to: int = 0
    next_task: PollWorkflowTaskQueueResponse | None = None
    eviction: _Evict.ValueType | None = None


class TaskReports:
    """Answers workflow tasks on behalf of one worker. `sticky_timeout` is None without a cache."""

    def __init__(
        self,
        requests: Requests,
        identity: WorkerIdentity,
        activities: ActivityWorker,
        sticky_timeout: timedelta | None,
        limits: PayloadLimits,
    ) -> None:
        self._requests = requests
        self._identity = identity
        self._activities = activities
        self._limits = limits
        #: What every completed task says.
        self._completed = RespondWorkflowTaskCompletedRequest(
            identity=identity.identity,
            namespace=identity.namespace,
            worker_version_stamp=identity.version.stamp,
            deployment_options=identity.version.deployment,
            worker_instance_key=identity.instance_key,
        )
        self._completed.capabilities.discard_speculative_workflow_task_with_events = True
        if sticky_timeout is not None:
            sticky = StickyExecutionAttributes(
                worker_task_queue=TaskQueue(
                    name=identity.sticky_queue,
                    kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY,
                    normal_name=identity.task_queue,
                )
            )
            sticky.schedule_to_start_timeout.FromTimedelta(sticky_timeout)
            self._completed.sticky_attributes.CopyFrom(sticky)
            self._completed.return_new_workflow_task = True

    def report(self, outcome: Outcome, told: Callable[[Report], None]) -> None:
        """Tell the server what there is to tell, and then the caller how it went."""
        if outcome is None:
            told(Report())
        elif isinstance(outcome, CompleteTask):
            self._complete(outcome, told)
        elif isinstance(outcome, AnswerQuery):
            kind, answer, message = _answer_of(outcome.result)
            self._answer_query(
                RespondQueryTaskCompletedRequest(
                    task_token=outcome.task.response.task_token,
                    completed_type=kind,
                    query_result=answer,
                    error_message=message,
                    namespace=self._identity.namespace,
                ),
                told,
            )
        else:
            self._fail(outcome, told)

    def _complete(self, done: CompleteTask, told: Callable[[Report], None]) -> None:
        permits = self._activities.reserve_for(done.commands)
        request = RespondWorkflowTaskCompletedRequest()
        request.CopyFrom(self._completed)
        request.task_token = done.task.response.task_token
        request.commands.extend(done.commands)
        request.messages.extend(done.messages)
        request.force_create_new_workflow_task = done.force_new_task
        if done.sdk_metadata is not None:
            request.sdk_metadata.CopyFrom(done.sdk_metadata)
        request.metering_metadata.nonfirst_local_activity_execution_attempts = (
            done.further_local_attempts
        )
        request.versioning_behavior = (
            done.versioning_behavior  # type: ignore[assignment]
            or self._identity.version.default_behavior
        )
        for result in done.query_results:
            kind, answer, message = _answer_of(result)
            request.query_results[result.query_id].CopyFrom(
                WorkflowQueryResult(result_type=kind, answer=answer, error_message=message)
            )
        too_large = self._limits.complaint(request)
        if too_large is not None:
            for permit in permits:
                permit.release()
            cause = Cause.WORKFLOW_TASK_FAILED_CAUSE_PAYLOADS_TOO_LARGE
            failure = CompletionFailure(failure=too_large, force_cause=cause)
            self._fail(
                FailTask(done.task, cause, failure, is_query=False),
                lambda _: told(Report(reported=True, eviction=_Evict.FATAL)),
            )
            return

        def answered(answer: Answer) -> None:
            if isinstance(answer, ServiceError):
                for permit in permits:
                    permit.release()
                told(Report(reported=True, eviction=_eviction_for(answer)))
                return
            assert isinstance(answer, RespondWorkflowTaskCompletedResponse)
            self._activities.take_eager(list(answer.activity_tasks), permits)
            told(
                Report(
                    reported=True,
                    reset_to=max(answer.reset_history_event_id, 0),
                    next_task=answer.workflow_task if answer.HasField("workflow_task") else None,
                )
            )

        self._requests.send("RespondWorkflowTaskCompleted", request, answered)

    def _fail(self, failed: FailTask, told: Callable[[Report], None]) -> None:
        response = failed.task.response
        failure = failed.failure.failure
        if failed.may_be_retried:
            told(Report(dropped=True))
        elif failed.is_query:
            self._answer_query(
                RespondQueryTaskCompletedRequest(
                    task_token=response.task_token,
                    completed_type=QueryResultType.QUERY_RESULT_TYPE_FAILED,
                    error_message=failure.message,
                    failure=failure,
                    cause=failed.failure.force_cause,
                    namespace=self._identity.namespace,
                ),
                told,
            )
        elif response.attempt > 1:
            # It would fail the same way again and again. Until it times out, nothing happens.
            self._requests.abandon_workflow_task(response.workflow_execution.run_id)
            told(Report(dropped=True))
        else:
            self._requests.send(
                "RespondWorkflowTaskFailed",
                RespondWorkflowTaskFailedRequest(
                    task_token=response.task_token,
                    cause=failed.cause,
                    failure=failure,
                    identity=self._identity.identity,
                    namespace=self._identity.namespace,
                    worker_version=self._identity.version.stamp,
                    deployment_options=self._identity.version.deployment,
                ),
                lambda answer: told(
                    Report(
                        reported=True,
                        eviction=_eviction_for(answer)
                        if isinstance(answer, ServiceError)
                        else None,
                    )
                ),
            )

    def _answer_query(
        self, request: RespondQueryTaskCompletedRequest, told: Callable[[Report], None]
    ) -> None:
        # Perhaps nobody waits for the answer any more; the run is as good as before.
        self._requests.send(
            "RespondQueryTaskCompleted", request, lambda _: told(Report(reported=True))
        )


def _eviction_for(error: ServiceError) -> _Evict.ValueType:
    if error.code == StatusCode.INVALID_ARGUMENT and error.message == "UnhandledCommand":
        return _Evict.UNHANDLED_COMMAND
    return _Evict.TASK_NOT_FOUND if error.code == StatusCode.NOT_FOUND else _Evict.FATAL


def _answer_of(result: QueryResult) -> tuple[QueryResultType.ValueType, Payloads | None, str]:
    """An answer to a query in the server's terms. A failure is only its message there."""
    if result.HasField("failed"):
        return QueryResultType.QUERY_RESULT_TYPE_FAILED, None, result.failed.message
    answer = None
    if result.succeeded.HasField("response"):
        answer = Payloads(payloads=[result.succeeded.response])
    return QueryResultType.QUERY_RESULT_TYPE_ANSWERED, answer, ""
