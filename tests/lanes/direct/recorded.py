"""The recorded histories, by the name of the workflow that made them."""

from __future__ import annotations

import functools
from pathlib import Path

from temporalio.client import WorkflowHistory

HISTORIES = Path(__file__).parent / "histories"


def names() -> list[str]:
    """Every workflow of which there is a history."""
    return sorted(path.stem for path in HISTORIES.glob("*.json"))


@functools.cache
def recorded(name: str) -> WorkflowHistory:
    """The history of a run of that workflow on the real server."""
    text = (HISTORIES / f"{name}.json").read_text(encoding="utf-8")
    return WorkflowHistory.from_json(name, text)
