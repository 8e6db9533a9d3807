"""Replays what a test has left behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from timeskip.errors import ReplayFailed, WorkflowNotDeterministic
from timeskip.histories.replaying.commands import Key, Place
from timeskip.histories.replaying.core import ReplayThread, replay_thread
from timeskip.histories.replaying.local_timeouts import AS_THE_CORE_TELLS, Timeouts, timeouts_of
from timeskip.histories.replaying.settings import ReplaySettings

#: Real seconds that an explanation may take while a test waits.
_PATIENCE = 20.0

#: Runs that a message tells of.
_MOST_TOLD = 5

_FORGIVEN = """\
the SDK's core refuses the history of workflow {workflow_id!r} ({workflow_type}) for a bug of its own:
a local activity timed out, and in a replay the core gives the workflow the bare
`temporalio.exceptions.TimeoutError` instead of the `ActivityError` around it. With the `ActivityError`
the workflow does the same as it did, so the test has not failed. But in production it will break when
a worker has to replay it. Let its code do the same for both, as with
`except (ActivityError, TimeoutError)`, or use an activity that is not local."""


@dataclass(frozen=True)
class LeftRun:
    """A run, how the worker that ran it is to be had again, and where its code asked for what.

    `events`: the part of its history that is to be replayed.
    """

    workflow_id: str
    events: Sequence[HistoryEvent]
    settings: ReplaySettings
    places: Mapping[Key, Place]


@dataclass(frozen=True)
class _Refusal:
    """What the core holds against a run, with `timeouts` as what its workflow was told of these."""

    run: LeftRun
    verdict: Exception
    timeouts: Timeouts


def require_replays(runs: Iterable[LeftRun], *, forgives_core: bool = False) -> list[str]:
    """Replay them all; blocks the thread that calls.

    With `forgives_core` a run passes that the core refuses for a bug of its own, with local activities
    that timed out. What is to be said of such runs is returned.

    Raises `WorkflowNotDeterministic`, or `ReplayFailed` if a run fails in a replay for any other
    reason: the explanation of the first, and the names of the others.
    """
    runs = list(runs)
    if not runs:
        return []
    thread = replay_thread()
    return thread.run(_require_replays(runs, thread, forgives_core))


async def _require_replays(
    runs: Sequence[LeftRun], thread: ReplayThread, forgives_core: bool
) -> list[str]:
    refusals: list[_Refusal] = []
    forgiven: list[str] = []
    for group in _by_worker(runs):
        histories = [WorkflowHistory(run.workflow_id, run.events) for run in group]
        verdicts = await thread.verdicts(group[0].settings, histories)
        for run, verdict in zip(group, verdicts, strict=True):
            if verdict is None:
                continue
            refusal: _Refusal | None = _Refusal(run, verdict, AS_THE_CORE_TELLS)
            if forgives_core and (timeouts := timeouts_of(run.events)):
                refusal = await _refusal_in_spite_of(timeouts, run, thread)
            if refusal is None:
                forgiven.append(_forgiven(run))
            else:
                refusals.append(refusal)
    if refusals:
        # Whose import takes longer than many replays.
        from timeskip.histories.replaying.verdict import failure_of

        first, *others = refusals
        run = first.run
        error = await failure_of(
            run.settings,
            run.workflow_id,
            run.events,
            first.verdict,
            thread,
            run.places,
            first.timeouts,
        )
        raise _told_with(error, [other.run.workflow_id for other in others])
    return forgiven


async def _refusal_in_spite_of(
    timeouts: Timeouts, run: LeftRun, thread: ReplayThread
) -> _Refusal | None:
    """What is wrong with a run even if its workflow is told of timeouts what it was told at first."""
    history = WorkflowHistory(run.workflow_id, run.events)
    [verdict] = await thread.verdicts(run.settings, [history], timeouts)
    return _Refusal(run, verdict, timeouts) if verdict is not None else None


def _forgiven(run: LeftRun) -> str:
    started = run.events[0].workflow_execution_started_event_attributes
    told = _FORGIVEN.replace("\n", " ")
    return told.format(workflow_id=run.workflow_id, workflow_type=started.workflow_type.name)


def _by_worker(runs: Iterable[LeftRun]) -> list[list[LeftRun]]:
    groups: list[list[LeftRun]] = []
    for run in runs:
        group = next((one for one in groups if one[0].settings.is_like(run.settings)), None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    return groups


def _told_with(error: ReplayFailed, others: Sequence[str]) -> ReplayFailed:
    if not others:
        return error
    names = ", ".join(map(repr, others[:_MOST_TOLD]))
    more = f" and {len(others) - _MOST_TOLD} more" if len(others) > _MOST_TOLD else ""
    told = f"{error}\n\nThe replays of {names}{more} failed as well."
    if isinstance(error, WorkflowNotDeterministic):
        return WorkflowNotDeterministic(
            told, workflow_id=error.workflow_id, explanation=error.explanation
        )
    return ReplayFailed(told, workflow_id=error.workflow_id)


def explanation_of(
    settings: ReplaySettings,
    workflow_id: str,
    events: Sequence[HistoryEvent],
    message: str,
    places: Mapping[Key, Place],
) -> str | None:
    """Why a worker found a run nondeterministic; None if that cannot be found out."""
    from timeskip.histories.nondeterminism.explanation import explain_failure

    thread = replay_thread()
    try:
        explanation = thread.run(
            explain_failure(settings, workflow_id, events, message, thread, places),
            timeout=_PATIENCE,
        )
    except Exception:  # noqa: BLE001 - the failure itself is what the test must hear of
        return None
    return str(explanation)
