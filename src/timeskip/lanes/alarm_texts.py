"""What a test is told when a workflow cannot go on."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from temporalio.api.failure.v1 import Failure

from timeskip.histories.nondeterminism.advice import way_out_of_refusal
from timeskip.lanes.awaits import is_library, is_users

if TYPE_CHECKING:
    from timeskip.server.activities import Activity
    from timeskip.server.nexus_operations import NexusOperation
    from timeskip.server.run import Run
    from timeskip.server.workflow_tasks import WorkflowTask

_FOR_EVER = """\
A real server would try the task again and again, and the workflow would stand still.
If the test is about just that, wrap it in `with sim.expect_workflow_task_failures():`."""

_ONLY_TEMPORAL_ERRORS = """\
Only Temporal's own errors fail a workflow, such as `temporalio.exceptions.ApplicationError`, and
those that its `failure_exception_types` name. Any other is taken for a bug that will be fixed."""

_RESTRICTED_SUBCLASS = """\
The SDK's sandbox makes no objects of classes that derive from what it keeps from workflows, such as
`threading.Thread`: use them in activities."""

_NOT_AN_ACTIVITY = """\
`temporalio.activity` is for activities. A workflow has `workflow.info()`, `workflow.logger` and so on."""

_DEADLOCK = """\
A workflow must not block: no `time.sleep`, no input or output, no long computation. If it was
stopped at a breakpoint, give its worker `debug_mode=True`, or set TEMPORAL_DEBUG=1.
If it, or a converter, waits for something that the event loop of its worker is to do, that cannot be
while the workflow runs on this loop: give the worker a `workflow_task_executor=ThreadPoolExecutor()`."""

_NO_ENDPOINT = """\
An endpoint has to be made before a workflow uses it, with the task queue of its handlers:
`await sim.create_nexus_endpoint("the name", sim.task_queue)`."""

_GOES_ON_AFTER_ITS_END = """\
The workflow ended, and a task of its own that it did not wait for asked for something right after:
a `finally:` of a cancelled task, perhaps. Have the workflow wait for its tasks before it ends."""

_NONDETERMINISM = """\
When the workflow's code was run again, it did something else than its history says. It was changed
while the run was open, or it depends on chance, on the machine's time or on state of its own."""


def similar(name: str, known: Sequence[str]) -> str:
    """A question that helps somebody who has mistyped a name, or nothing."""
    close = difflib.get_close_matches(name, known, 1)
    return f" Did you mean {close[0]!r}?" if close and close[0] != name else ""


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return ", ".join(names) if names else "none"


def workflow_task_failed(run: Run, cause: str, failure: Failure, why: str | None) -> str:
    """The workflow's own traceback, and what to do. `why`: what is known of a nondeterminism."""
    named = f"workflow {run.workflow_id!r} ({run.workflow_type}) cannot go on"
    known = _known_instead(failure, "Workflow class ", "available workflows:")
    if known is not None:
        return (
            f"{named}: the worker of task queue {run.task_queue!r} does not know its type.\n"
            f"Registered there: {listed(known)}.{similar(run.workflow_type, known)}\n"
            f"Add it to the worker's `workflows=[...]`.\n\n{_FOR_EVER}"
        )
    if why is not None:
        return "\n\n".join([f"{named}: its workflow task failed ({cause}).", why, _FOR_EVER])
    is_deadlock = "[TMPRL1101]" in failure.message
    told = _stack(failure) if is_deadlock else _traceback(failure)
    paragraphs = [f"{named}: its workflow task failed ({cause}).", told]
    if is_deadlock:
        paragraphs.append(_DEADLOCK)
    elif cause == "NON_DETERMINISTIC_ERROR":
        paragraphs.append(_NONDETERMINISM)
    elif cause == "BAD_SCHEDULE_NEXUS_OPERATION_ATTRIBUTES" and "endpoint" in failure.message:
        paragraphs.append(_NO_ENDPOINT)
    elif failure.message.startswith("invalid command sequence"):
        paragraphs.append(_GOES_ON_AFTER_ITS_END)
    elif cause == "WORKFLOW_WORKER_UNHANDLED_FAILURE":
        paragraphs.append(_way_out(failure))
    return "\n\n".join([*paragraphs, _FOR_EVER])


def _way_out(failure: Failure) -> str:
    """What to do about an error that a workflow must not raise."""
    if failure.message == "Not in activity context":
        return _NOT_AN_ACTIVITY
    if failure.message.startswith("Restriction state not present"):
        return _RESTRICTED_SUBCLASS
    return way_out_of_refusal(failure.message) or _ONLY_TEMPORAL_ERRORS


def local_activity_too_long(run: Run) -> str:
    """What becomes of it, and what to do."""
    return (
        f"workflow {run.workflow_id!r} ({run.workflow_type}) cannot go on: a local activity of it "
        "takes longer than\n30 minutes. A worker cannot keep a workflow task for longer: a server "
        "then hands it out anew, and\nthe local activity starts all over. Make it an ordinary "
        "activity: `workflow.execute_activity(...)`.\n\n" + _FOR_EVER
    )


def workflow_task_fails_for_ever(run: Run, task: WorkflowTask) -> str:
    """The test expects failures, but not that there will be nothing else."""
    return (
        f"the workflow task of {run.workflow_id!r} ({run.workflow_type}) has failed "
        f"{task.attempt} times in a row.\n"
        "The test expects failing workflow tasks, but waits for what can happen only if they "
        "succeed.\nLet a worker with the right code take over before."
    )


def activity_unknown(run: Run, activity: Activity, failure: Failure) -> str | None:
    """None if the failure is not that the worker does not know the activity."""
    known = _known_instead(failure, "Activity function ", "available activities:")
    if known is None:
        return None
    name = activity.scheduled.activity_type.name
    return (
        f"workflow {run.workflow_id!r} ({run.workflow_type}) called the activity {name!r}, which "
        f"the worker of task queue {activity.scheduled.task_queue.name!r} does not know.\n"
        f"Registered there: {listed(known)}.{similar(name, known)}\n"
        "Add it to the worker's `activities=[...]`. A real server would try it again and again."
    )


def activity_fails_for_ever(run: Run, activity: Activity, failure: Failure) -> str:
    """The last failure, and how to limit the attempts."""
    name = f"activity {activity.scheduled.activity_type.name!r}"
    return _fails_for_ever(run, name, activity.attempt, failure)


def local_activity_fails_for_ever(run: Run, data: Mapping[str, Any], failure: Failure) -> str:
    """The same for a local activity, of which the core has recorded `data`."""
    name = f"local activity {data.get('activity_type')!r}"
    # What the marker says is what the workflow gets: that an activity has failed, and why.
    cause = failure.cause if failure.HasField("cause") else failure
    return _fails_for_ever(run, name, data["attempt"], cause)


def _fails_for_ever(run: Run, name: str, attempts: int, failure: Failure) -> str:
    return (
        f"the {name} of workflow {run.workflow_id!r} ({run.workflow_type}) has failed {attempts} "
        "times in a row,\n"
        "and its retry policy allows more, so that the test would never end. Its last failure:\n\n"
        f"{_traceback(failure)}\n\n"
        "Give the activity a `maximum_attempts` or a `schedule_to_close_timeout`, or the "
        "simulation a\nlarger `max_activity_attempts`."
    )


def nexus_operation_fails_for_ever(operation: NexusOperation, failure: Failure) -> str:
    """The last failure, and how to limit the attempts."""
    run = operation.run
    named = (
        f"the Nexus operation {operation.name!r} of workflow {run.workflow_id!r} "
        f"({run.workflow_type}) could not be started {operation.attempt} times in a row\n"
        f"at the endpoint {operation.scheduled.endpoint!r}, {_handler(operation)}.\n"
    )
    if operation.untaken:
        return (
            f"{named}No worker has polled there for Nexus tasks. Give one of that task queue "
            "`nexus_service_handlers=[...]`,\nor the operation a `schedule_to_close_timeout`."
        )
    return (
        f"{named}"
        "The server tries it again for ever, so that the test would never end. Its last failure:\n\n"
        f"{_traceback(failure)}\n\n"
        "Give the operation a `schedule_to_close_timeout`, or raise a `nexusrpc.HandlerError` that is "
        "not retryable."
    )


def _handler(operation: NexusOperation) -> str:
    """Who has to handle an operation, for the inside of a sentence."""
    endpoint = operation.endpoint()
    if endpoint is None:
        return "which has been deleted"
    worker = endpoint.spec.target.worker
    return f"which is task queue {worker.task_queue!r} of namespace {worker.namespace!r}"


def _known_instead(failure: Failure, missing: str, before_names: str) -> list[str] | None:
    """What the worker knows instead of what it was asked for; None if it fails for other reasons.

    The words are those of the SDK's worker.
    """
    if failure.application_failure_info.type != "NotFoundError":
        return None
    if not failure.message.startswith(missing):
        return None
    return [name.strip() for name in failure.message.partition(before_names)[2].split(",")]


def _traceback(failure: Failure) -> str:
    """A failure with its causes, as Python would print it."""
    lines = []
    if failure.HasField("cause"):
        lines += [_traceback(failure.cause), "", "The above was the cause of:", ""]
    frames = _frames(failure)
    # The SDK's own are shown only if there are no others.
    users = [frame for frame in frames if is_users(_path(frame))] or frames
    if users:
        lines.append("Traceback (most recent call last):")
    kind = failure.application_failure_info.type
    words = f"{kind}: {failure.message}" if kind else failure.message
    return "\n".join([*lines, *(line for frame in users for line in frame), words])


def _stack(failure: Failure) -> str:
    """Where a thread was when the SDK lost patience with it. That stack is upside down."""
    frames = [frame for frame in _frames(failure) if is_users(_path(frame))]
    users = [frame for frame in reversed(frames) if not is_library(_path(frame))]
    return "\n".join([failure.message, *(line for frame in users for line in frame)])


def _frames(failure: Failure) -> list[list[str]]:
    """The lines of a Python stack trace, for each frame."""
    frames: list[list[str]] = []
    for line in failure.stack_trace.splitlines():
        if line.startswith('  File "') or not frames:
            frames.append([])
        if line.strip():
            frames[-1].append(line)
    return [frame for frame in frames if frame]


def _path(frame: list[str]) -> str:
    return frame[0].partition('"')[2]
