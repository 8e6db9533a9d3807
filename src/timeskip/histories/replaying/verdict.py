"""What is raised when the SDK's core has refused a history."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import temporalio.workflow
from temporalio.api.history.v1 import History, HistoryEvent

from timeskip.errors import ReplayFailed, WorkflowNotDeterministic
from timeskip.histories.decoding import decrypted
from timeskip.histories.nondeterminism.advice import way_out_of_refusal
from timeskip.histories.nondeterminism.explanation import (
    core_message,
    explain_failure,
    source_around,
)
from timeskip.histories.nondeterminism.messages import untaken
from timeskip.histories.replaying.commands import Key, Place
from timeskip.histories.replaying.core import ReplayThread
from timeskip.histories.replaying.examination import examine
from timeskip.histories.replaying.local_timeouts import AS_THE_CORE_TELLS, Timeouts
from timeskip.histories.replaying.places import is_of_user
from timeskip.histories.replaying.settings import ReplaySettings

#: What the core says if a history goes on with something that the workflow has taken back, or has
#: not.
_IMPOSSIBLE = "Fatal error in workflow machines"

_UNKNOWN = "Workflow class "

_REGISTER = """\
Add its class to `workflows=[...]`. If the class was renamed, let it keep the name that histories know:
`@workflow.defn(name={name!r})`."""

_MESSAGE = r'message: "((?:[^"\\]|\\.)*)"'


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
    told = (
        f"workflow {workflow_id!r} ({workflow_type}) fails when its history is replayed: "
        f"{_told(str(verdict))}"
    )
    return ReplayFailed(
        "\n\n".join([told, *await _way_out(settings, workflow_id, events, verdict, thread)]),
        workflow_id=workflow_id,
    )


async def _way_out(
    settings: ReplaySettings,
    workflow_id: str,
    events: Sequence[HistoryEvent],
    verdict: Exception,
    thread: ReplayThread,
) -> list[str]:
    """What to do about a workflow that fails, if that is known."""
    refused = way_out_of_refusal(core_message(str(verdict)))
    if refused is not None:
        return [refused]
    if _UNKNOWN in str(verdict):
        name = events[0].workflow_execution_started_event_attributes.workflow_type.name
        return [_REGISTER.format(name=name)]
    if any(is_of_user(_path(frame)) for frame in _frames(str(verdict))):
        return []
    seen = await examine(settings, workflow_id, list(events), thread)
    if seen.workflow is None:
        return []
    history = await decrypted(History(events=events), settings.data_converter)
    for message in untaken(history.events, seen.workflow):
        at = f" at {message.place}" if message.place is not None else ""
        return [f"{message.told[0].upper()}{message.told[1:]}{at}.\n{message.advice}"]
    place = seen.trace.last_place
    if place is None:
        return []
    return [f"The code had come as far as to be at {place}.", "\n".join(source_around(place))]


def _told(verdict: str) -> str:
    """The workflow's error with its causes and its traceback, out of what the core makes of it."""
    # A failure's type comes after its cause.
    kinds = re.findall(r'r#type: "(\w*)"', verdict)[::-1]
    messages = [_unquoted(found) for found in re.findall(_MESSAGE, verdict)]
    errors = [": ".join(filter(None, each)) for each in zip(kinds, messages, strict=False)]
    told = "\n  because of ".join(errors) or core_message(verdict)
    users = [frame for frame in _frames(verdict) if is_of_user(_path(frame))]
    return (
        f"{told}\n\nTraceback (most recent call last):\n{''.join(users)}".rstrip()
        if users
        else told
    )


def _frames(verdict: str) -> list[str]:
    """The lines of a Python stack trace, for each frame of a failure and its causes."""
    stacks = re.findall(r'stack_trace: "((?:[^"\\]|\\.)*)"', verdict)
    return [
        f"  File {frame}" for stack in stacks for frame in _unquoted(stack).split("  File ")[1:]
    ]


def _path(frame: str) -> str:
    return frame.split('"')[1]


def _unquoted(text: str) -> str:
    return text.replace("\\n", "\n").replace('\\"', '"')
