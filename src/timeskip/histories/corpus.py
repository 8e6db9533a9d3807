"""A folder of histories, each replayed and told by its name."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

from timeskip.errors import HistoryUnreadable, ReplayFailed
from timeskip.histories.history import read_history
from timeskip.histories.replaying.core import BrokenHistory, ReplayThread, replay_thread
from timeskip.histories.replaying.run import completed_part
from timeskip.histories.replaying.settings import ReplaySettings
from timeskip.histories.workflow_source import workflow_type_of

#: Workflows that are named to somebody who looks for another one.
_MOST_NAMED = 8


class Verdict(Enum):
    """What came of the replay of a file."""

    REPLAYED = "replayed"
    FAILED = "failed"
    BROKEN = "broken"


@dataclass(frozen=True)
class ReplayedFile:
    """A file of a folder of histories, and what came of its replay."""

    name: str
    """The path in the folder, without its ending."""
    verdict: Verdict
    message: str = ""
    """Why it was not replayed; several lines, perhaps."""


def history_files(folder: Path) -> list[Path]:
    """The files in the folder, at any depth, that should be histories, in one order.

    Raises:
        HistoryUnreadable: There is no such folder, or no such file in it.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise HistoryUnreadable(f"{folder}: there is no such folder")
    files = files_in(folder)
    if not files:
        raise HistoryUnreadable(f"{folder}: there are no histories (*.json) in it")
    return files


def files_in(folder: Path) -> list[Path]:
    """The same, of a folder; none if there are none. What is hidden is none, nor are folders."""
    return sorted(
        file
        for pattern in ("*.json", "*.json.gz")
        for file in folder.rglob(pattern)
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and not file.is_dir()
    )


def name_in(folder: Path, file: Path) -> str:
    """What a file is called: its path in the folder, without its ending.

    What is compressed may lie beside what is not, and is told apart: `order` and `order.gz`.
    """
    within = file.relative_to(folder) if folder in file.parents else Path(file.name)
    path = within.as_posix()
    if path.endswith(".json.gz"):
        return f"{path.removesuffix('.json.gz')}.gz"
    return path.removesuffix(".json")


class HistoryFolder:
    """The histories in a folder, and the workflows of today that are to replay them.

    Args:
        folder: Where the files are, at any depth.
        workflows: The classes.
        options: Those of `temporalio.worker.Replayer`, such as `data_converter`.

    Raises:
        HistoryUnreadable: There is no such folder, or no such file in it.
    """

    def __init__(self, folder: Path, workflows: Sequence[type], **options: Any) -> None:
        self._folder = folder
        self._files = {name_in(folder, file): file for file in history_files(folder)}
        self._settings = ReplaySettings.of_options(workflows, options)

    @property
    def names(self) -> list[str]:
        """What the files are called: their paths in the folder, without their endings."""
        return list(self._files)

    def replay(self, name: str) -> ReplayedFile:
        """Replay one of them with a real `Replayer`, which stays ready for the others."""
        [replayed] = replay_files(self._folder, [self._files[name]], self._settings)
        return replayed


def replay_files(
    folder: Path, files: Sequence[Path], settings: ReplaySettings
) -> Iterator[ReplayedFile]:
    """Replay one file after another, with real `Replayer`s, in this process."""
    for file in files:
        yield _replayed(name_in(folder, file), file, settings)


def _replayed(name: str, file: Path, settings: ReplaySettings) -> ReplayedFile:
    thread = replay_thread()
    try:
        recorded = read_history(file)
        started = recorded.events[0].workflow_execution_started_event_attributes
        if not started.workflow_type.name:
            raise BrokenHistory(f"{file}: it does not begin with the start of a workflow")
        if not settings.knows(started.workflow_type.name):
            return ReplayedFile(
                name, Verdict.FAILED, _unknown(started.workflow_type.name, settings)
            )
        history = WorkflowHistory(started.workflow_id or name, completed_part(recorded.events))
        if not history.events:
            return ReplayedFile(name, Verdict.REPLAYED, "no workflow task has completed yet")
        [verdict] = thread.run(thread.verdicts(settings, [history]))
    except (HistoryUnreadable, BrokenHistory) as error:
        return ReplayedFile(name, Verdict.BROKEN, str(error))
    except ReplayFailed as error:  # the workflow's code does not come back
        return ReplayedFile(name, Verdict.FAILED, str(error))
    if verdict is None:
        return ReplayedFile(name, Verdict.REPLAYED)
    return ReplayedFile(name, Verdict.FAILED, _explained(history, verdict, settings, thread))


def _explained(
    history: WorkflowHistory, verdict: Exception, settings: ReplaySettings, thread: ReplayThread
) -> str:
    # Whose import takes longer than many replays.
    from timeskip.histories.replaying.verdict import failure_of

    try:
        return str(
            thread.run(
                failure_of(settings, history.workflow_id, history.events, verdict, thread, {})
            )
        )
    except Exception:  # noqa: BLE001 - what the core says is worth more than why it is not explained
        return str(verdict)


def _unknown(workflow_type: str, settings: ReplaySettings) -> str:
    known = sorted(filter(None, map(workflow_type_of, settings.workflows)))
    told = known
    if len(known) > _MOST_NAMED:
        near = difflib.get_close_matches(workflow_type, known, _MOST_NAMED, cutoff=0.5)
        told = near or known[:_MOST_NAMED]
    more = f" and {len(known) - len(told):,} more" if len(told) < len(known) else ""
    return f"there is no workflow {workflow_type!r}; there are: {', '.join(told)}{more}"
