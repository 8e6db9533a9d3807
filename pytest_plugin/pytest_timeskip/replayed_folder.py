"""A folder of histories as a test for each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from timeskip.histories import HistoryFolder, Verdict


def replay_folder(
    folder: str | Path, *, workflows: Sequence[type], **options: Any
) -> Callable[[str], None]:
    """A test that replays each history in a folder, each under its name.

    To be given a name that pytest collects, in a test module:

        test_production_replays = replay_folder("histories/production", workflows=[OrderWorkflow])

    One `Replayer` does for all; with pytest-xdist, one in each process.

    Args:
        folder: Relative to the test module's own folder, if not absolute.
        workflows: The classes.
        options: Those of `temporalio.worker.Replayer`, such as `data_converter`.

    Raises:
        HistoryUnreadable: There is no such folder, or no history in it.
    """
    module = Path(sys._getframe(1).f_globals["__file__"])
    histories = HistoryFolder(module.parent / folder, workflows, **options)

    @pytest.mark.parametrize("history", histories.names)
    def replays(history: str) -> None:
        replayed = histories.replay(history)
        if replayed.verdict is not Verdict.REPLAYED:
            pytest.fail(f"{history}: {replayed.message}", pytrace=False)

    return replays
