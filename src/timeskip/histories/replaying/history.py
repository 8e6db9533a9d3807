"""Replays of recorded histories, with an explanation if they fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import temporalio.api.history.v1
from temporalio.client import WorkflowHistory

from timeskip.errors import ReplayFailed, TimeskipError, WorkflowNotDeterministic
from timeskip.histories.corpus import files_in
from timeskip.histories.history import History
from timeskip.histories.replaying.core import BrokenHistory
from timeskip.histories.replaying.left_runs import LeftRun, require_replays
from timeskip.histories.replaying.settings import ReplaySettings

if TYPE_CHECKING:
    from timeskip.histories.nondeterminism.explanation import Explanation

#: A history of ours, of the SDK or of its API, or the path of a file with one.
Replayable: TypeAlias = "History | WorkflowHistory | temporalio.api.history.v1.History | Path | str"


def replay(
    history: Replayable,
    *,
    workflows: Sequence[type],
    workflow_id: str | None = None,
    **options: Any,
) -> None:
    """Replay a history by the real `temporalio.worker.Replayer`. Blocks until that is done.

    Args:
        history: The history, or the file that holds it.
        workflows: The workflows' classes.
        workflow_id: Unless given, what the history says.
        options: Those of `temporalio.worker.Replayer`: `workflow_runner`, `data_converter`, ...

    Raises:
        WorkflowNotDeterministic: The code does something else than the history says.
        ReplayFailed: It fails in another way.
        BrokenHistory: No worker could have been given such a history.
    """
    settings, recorded = settings_and_history(history, workflows, workflow_id, options)
    require_replays([LeftRun(recorded.workflow_id, list(recorded.events), settings, {})])


def explain(
    history: Replayable,
    *,
    workflows: Sequence[type],
    workflow_id: str | None = None,
    **options: Any,
) -> Explanation | None:
    """Why a workflow does something else than its history says; None if it does the same.

    As `replay`, for which see the arguments and what else is raised.
    """
    try:
        replay(history, workflows=workflows, workflow_id=workflow_id, **options)
    except WorkflowNotDeterministic as error:
        return error.explanation
    return None


def replay_eras(
    eras: Mapping[str, Replayable | Iterable[Replayable]] | Path | str,
    *,
    workflows: Sequence[type],
    **options: Any,
) -> None:
    """Replay what earlier versions of the workflows have recorded, all of it, before anything is said.

    Args:
        eras: Histories by the name of their era, such as the version that recorded them; or a
            directory, in which each file, `v1/order.json` for one, is an era of its own.
        workflows, options: As for `replay`.

    Raises:
        ReplayFailed: Some era's history fails. The message has each with its name.
    """
    if isinstance(eras, (Path, str)):
        files = files_in(Path(eras))
        if not files:
            raise FileNotFoundError(f"{eras}: no history (*.json) is there")
        eras = {str(file.relative_to(eras)): file for file in files}
    failures = [
        (era, failure)
        for era, histories in eras.items()
        for history in _each(histories)
        if (failure := _failure(history, workflows, options)) is not None
    ]
    if failures:
        raise ReplayFailed(
            "\n\n".join(f"of {era}: {error}" for era, error in failures),
            workflow_id=getattr(failures[0][1], "workflow_id", ""),
        )


def _failure(
    history: Replayable, workflows: Sequence[type], options: dict[str, Any]
) -> TimeskipError | BrokenHistory | None:
    try:
        replay(history, workflows=workflows, **options)
    except (TimeskipError, BrokenHistory) as error:
        return error
    return None


def settings_and_history(
    history: Replayable, workflows: Sequence[type], workflow_id: str | None, options: dict[str, Any]
) -> tuple[ReplaySettings, WorkflowHistory]:
    """What a replay needs, out of what callers give."""
    settings = ReplaySettings.of_options(workflows, options)
    if isinstance(history, (Path, str)):
        history = History.load(history)
    if isinstance(history, temporalio.api.history.v1.History):
        history = History(history)
    if isinstance(history, History):
        history = history.for_replay
    return settings, WorkflowHistory(
        workflow_id or history.workflow_id or "workflow", list(history.events)
    )


def _each(histories: Replayable | Iterable[Replayable]) -> Iterable[Replayable]:
    if isinstance(
        histories, (History, WorkflowHistory, temporalio.api.history.v1.History, Path, str)
    ):
        return [histories]
    return histories
