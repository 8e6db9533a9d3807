"""What is raised when the SDK's core has refused a history."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import temporalio.workflow
from temporalio.api.history.v1 import HistoryEvent

from timeskip.errors import ReplayFailed, WorkflowNotDeterministic
from timeskip.histories.nondeterminism.explanation import core_message, explain_failure
from timeskip.histories.replaying.commands import Key, Place
from timeskip.histories.replaying.core import ReplayThread
from timeskip.histories.replaying.local_timeouts import AS_THE_CORE_TELLS, Timeouts
from timeskip.histories.replaying.places import is_of_user
from timeskip.histories.replaying.settings import ReplaySettings

#: What the core says if a history goes on with something that the workflow has taken back, or has
#: not.
_IMPOSSIBLE = "Fatal error in workflow machines"


async def failure_of(
    settings: ReplaySettings,
    workflow_id: str,
    events: Sequence[HistoryEvent],
    verdict: Exception,
    thread: ReplayThread,
    places: Mapping[Key, Place],
    timeouts: Timeouts = AS_THE_CORE_TELLS,
) -> ReplayFailed:
    """The error that explains a verdict, with `timeouts` as it came about. Runs on `thread`."""
    if isinstance(verdict, temporalio.workflow.NondeterminismError) or _IMPOSSIBLE in str(verdict):
        explanation = await explain_failure(
            settings, workflow_id, events, str(verdict), thread, places, timeouts
        )
        return WorkflowNotDeterministic(
            str(explanation), workflow_id=workflow_id, explanation=explanation
        )
    workflow_type = events[0].workflow_execution_started_event_attributes.workflow_type.name
    return ReplayFailed(
        f"workflow {workflow_id!r} ({workflow_type}) fails when its history is replayed: "
        f"{_told(str(verdict))}",
        workflow_id=workflow_id,
    )


def _told(verdict: str) -> str:
    """The workflow's error with its traceback, out of what the core makes of it."""
    found = re.search(r'stack_trace: "((?:[^"\\]|\\.)*)"', verdict)
    stack = found.group(1).replace("\\n", "\n").replace('\\"', '"') if found else ""
    frames = [f"  File {frame}" for frame in stack.split("  File ")[1:]]
    stack = "".join(frame for frame in frames if is_of_user(frame.split('"')[1])) or stack
    kind = re.search(r'r#type: "(\w+)"', verdict)
    message = core_message(verdict)
    named = f"{kind.group(1)}: {message}" if kind else message
    return f"{named}\n\nTraceback (most recent call last):\n{stack}".rstrip() if stack else named
