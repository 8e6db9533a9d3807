"""The end of a workflow task: `RespondWorkflowTaskCompleted` and `RespondWorkflowTaskFailed`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.failure.v1 import Failure, ServerFailureInfo
from temporalio.api.history.v1 import WorkflowTaskCompletedEventAttributes
from temporalio.api.workflowservice.v1 import (
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    RespondWorkflowTaskFailedRequest,
    RespondWorkflowTaskFailedResponse,
)

from timeskip.clock import Nanoseconds
from timeskip.server import (
    activities,
    commands,
    queries,
    termination,
    tokens,
    update_messages,
    updates,
    workflow_tasks,
)
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.rpcs import rpc
from timeskip.server.task_answers import read_token, run_of_token
from timeskip.server.validation.bad_commands import BadCommand
from timeskip.server.validation.commands import (
    command_name,
    validate_command_sequence,
)
from timeskip.server.validation.failure_size import fitting_failure
from timeskip.server.validation.task_tokens import validate_task_answer

if TYPE_CHECKING:
    from timeskip.server.run import Run
    from timeskip.server.workflow_tasks import WorkflowTask

_CONTINUE_AS_NEW = CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION
_START_CHILD = CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION

#: So many events after the last workflow task do not keep a speculative one from being dropped, for
#: workers that can forget events.
_FORGETTABLE_EVENTS = 10


@rpc("RespondWorkflowTaskCompleted")
def respond_completed(
    cluster: Cluster, call: Call, request: RespondWorkflowTaskCompletedRequest
) -> RespondWorkflowTaskCompletedResponse:
    run, task = _open_task(cluster, request)
    if run.is_paused and request.force_create_new_workflow_task:
        raise ServiceError(
            StatusCode.FAILED_PRECONDITION,
            "Workflow is paused and force create new workflow task is not allowed.",
        )
    asked = list(request.commands)
    try:
        validate_command_sequence(asked)
    except ServiceError as refusal:
        _leave_open(run, task, Cause.WORKFLOW_TASK_FAILED_CAUSE_UNSPECIFIED, refusal.message)
        raise
    _refuse_unsupported(run, task, asked)
    messages = update_messages.Answers(run, request.messages)
    only_heartbeat = request.force_create_new_workflow_task and not (asked or request.messages)
    limit = task.original_scheduled_time + workflow_tasks.HEARTBEAT_LIMIT
    if only_heartbeat and cluster.clock.now() > limit:
        workflow_tasks.heartbeats_too_long(run, task)
        raise not_found("workflow task heartbeat timeout")
    try:
        has_news = commands.check(
            run, asked, workflow_tasks.completed_event_id(run, task), messages.check()
        )
    except BadCommand as bad:
        _fail_for(run, task, bad, request)
        raise invalid_argument(bad.full_message) from None

    response = RespondWorkflowTaskCompletedResponse()
    effects = commands.Effects(messages)
    leaves_trace = not _leaves_no_trace(run, task, request)
    if leaves_trace:
        workflow_tasks.close(run, task)
        completed = run.add(
            EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, _completed_attributes(task, request)
        )
        _remember_queue(run, request)
        for command in asked:
            commands.carry_out(run, command, completed.event_id, request.identity, effects)
    else:
        workflow_tasks.drop(run, task)
        _remember_queue(run, request)
        response.reset_history_event_id = run.last_completed_started_id
    messages.carry_out_rest()
    if run.is_open and not request.force_create_new_workflow_task:
        updates.reject_ignored(run)

    goes_on = run.is_open and not run.is_paused
    another = goes_on and (
        request.force_create_new_workflow_task or has_news or effects.needs_workflow_task
    )
    speculative = False
    if goes_on and not another and updates.has_unsent(run):
        speculative = request.return_new_workflow_task
        another = not speculative
    for activity in effects.eager_activities:
        if not activity.is_pending:
            continue  # cancelled, or its run closed, by a later command of the same task
        activities.start(activity, cluster.ids.uuid(), request.identity)
        response.activity_tasks.append(activities.task_response(activity))
    if another:
        original = task.original_scheduled_time if only_heartbeat else None
        _open_next(run, request, original)
    queries.settle(run, dict(request.query_results), another_task=another or speculative)
    if leaves_trace or another:
        run.commit()
    else:
        updates.tell(run)
    if speculative:
        _open_next(run, request, None, speculative=True)
        another = True
    if another and request.return_new_workflow_task and run.workflow_task is not None:
        response.workflow_task.CopyFrom(
            workflow_tasks.poll_response(
                run,
                run.workflow_task,
                attach_queries=not request.force_create_new_workflow_task,
                returned=True,
            )
        )
    return response


@rpc("RespondWorkflowTaskFailed")
def respond_failed(
    cluster: Cluster, call: Call, request: RespondWorkflowTaskFailedRequest
) -> RespondWorkflowTaskFailedResponse:
    run, task = _open_task(cluster, request)
    if request.cause == Cause.WORKFLOW_TASK_FAILED_CAUSE_GRPC_MESSAGE_TOO_LARGE:
        # The worker would be given the same history again, and be unable to answer it again.
        termination.abandon_workflow_task(run)
        termination.terminate_open(run, "GrpcMessageTooLarge", None, termination.HISTORY_SERVICE)
        run.commit()
        return RespondWorkflowTaskFailedResponse()
    workflow_tasks.fail(
        run,
        task,
        request.cause,
        fitting_failure(request.failure) if request.HasField("failure") else None,
        request.identity,
        binary_checksum=request.binary_checksum,
    )
    workflow_tasks.schedule_unless_paused(run)
    run.commit()
    return RespondWorkflowTaskFailedResponse()


def _open_task(
    cluster: Cluster,
    request: RespondWorkflowTaskCompletedRequest | RespondWorkflowTaskFailedRequest,
) -> tuple[Run, WorkflowTask]:
    """The task that the answer is for, if the worker still has it."""
    token = read_token(cluster, request, tokens.parse_task)
    validate_task_answer(request)
    run = run_of_token(cluster, token)
    if not run.is_open and isinstance(request, RespondWorkflowTaskFailedRequest):
        raise not_found("workflow execution already completed")
    task = run.workflow_task
    if (
        task is None
        or not task.started_event_id
        or task.started_event_id != token.started_event_id
        or task.attempt != token.attempt
        or task.started_time != token.started_time
    ):
        raise not_found("Workflow task not found.")
    return run, task


def _refuse_unsupported(run: Run, task: WorkflowTask, asked: Sequence[Command]) -> None:
    for complaint in filter(None, map(_unsupported, asked)):
        _leave_open(run, task, Cause.WORKFLOW_TASK_FAILED_CAUSE_FEATURE_DISABLED, complaint)
        raise ServiceError(StatusCode.UNIMPLEMENTED, complaint)


def _leave_open(run: Run, task: WorkflowTask, cause: Cause.ValueType, complaint: str) -> None:
    """The task stays with its worker, which will not find a better answer: it can only time out."""
    task.abandoned = True
    for observer in run.cluster.observers:
        observer.workflow_task_failed(run, task, cause, _server_failure(complaint))


def _unsupported(command: Command) -> str | None:
    """What cannot be done of a command, if anything."""
    if command.command_type not in commands.SUPPORTED:
        return f"timeskip does not carry out the command {command_name(command)} yet"
    if command.command_type == _CONTINUE_AS_NEW:
        continuing = command.continue_as_new_workflow_execution_command_attributes
        names_version = bool(continuing.initial_versioning_behavior)
    elif command.command_type == _START_CHILD:
        child = command.start_child_workflow_execution_command_attributes
        names_version = child.HasField("versioning_override")
    else:
        return None
    if names_version:
        return f"timeskip does not know worker versions yet, which {command_name(command)} names"
    return None


def _open_next(
    run: Run,
    request: RespondWorkflowTaskCompletedRequest,
    original_scheduled_time: Nanoseconds | None,
    *,
    speculative: bool = False,
) -> None:
    """The task that follows at once, started already if the worker wants it in the answer."""
    returned = request.return_new_workflow_task
    workflow_tasks.schedule(
        run,
        enqueue=not returned,
        original_scheduled_time=original_scheduled_time,
        speculative=speculative,
    )
    if returned:
        task = workflow_tasks.start(
            run, workflow_tasks.RETURNED_TASK_REQUEST_ID, request.identity, run.worker_version
        )
        task.worker_instance_key = request.worker_instance_key


def _leaves_no_trace(
    run: Run, task: WorkflowTask, request: RespondWorkflowTaskCompletedRequest
) -> bool:
    """Whether the task came to nothing but rejected updates, so that nobody needs to know of it."""
    if not task.speculative or request.commands or request.force_create_new_workflow_task:
        return False
    between = run.history.next_event_id - run.last_completed_started_id - 2
    forgettable = (
        _FORGETTABLE_EVENTS
        if request.capabilities.discard_speculative_workflow_task_with_events
        else 0
    )
    return between <= forgettable and update_messages.only_rejects(request.messages)


def _completed_attributes(
    task: WorkflowTask, request: RespondWorkflowTaskCompletedRequest
) -> WorkflowTaskCompletedEventAttributes:
    attributes = WorkflowTaskCompletedEventAttributes(
        scheduled_event_id=task.scheduled_event_id,
        started_event_id=task.started_event_id,
        identity=request.identity,
        binary_checksum=request.binary_checksum,
    )
    if request.HasField("worker_version_stamp"):
        attributes.worker_version.CopyFrom(request.worker_version_stamp)
    attributes.worker_deployment_name = request.deployment_options.deployment_name
    if request.HasField("sdk_metadata"):
        attributes.sdk_metadata.CopyFrom(request.sdk_metadata)
    if request.HasField("metering_metadata"):
        attributes.metering_metadata.CopyFrom(request.metering_metadata)
    return attributes


def _remember_queue(run: Run, request: RespondWorkflowTaskCompletedRequest) -> None:
    """Where the worker that answered wants to be sent the next task."""
    sticky = request.sticky_attributes
    if sticky.worker_task_queue.name:
        run.sticky_queue = sticky.worker_task_queue.name
        run.sticky_timeout = sticky.schedule_to_start_timeout.ToNanoseconds()
    else:
        workflow_tasks.clear_sticky(run)


def _fail_for(
    run: Run, task: WorkflowTask, bad: BadCommand, request: RespondWorkflowTaskCompletedRequest
) -> None:
    """Fail the task because of a bad command.

    From the second attempt on the service does not even write that down: the task times out, which
    keeps a worker that always gives the same bad answer from spinning.
    """
    unhandled = bad.cause == Cause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
    if task.attempt > 1 and not unhandled:
        _leave_open(run, task, bad.cause, bad.full_message)
        return
    workflow_tasks.fail(run, task, bad.cause, _server_failure(bad.full_message), request.identity)
    updates.abort_sent(run)
    if bad.terminates_workflow:
        run.history.flush_buffer()
        termination.terminate_open(run, bad.full_message, None, "history-service")
        run.commit()
        return
    workflow_tasks.schedule_unless_paused(run)
    run.commit()


def _server_failure(message: str) -> Failure:
    return Failure(message=message, server_failure_info=ServerFailureInfo())
