"""The recorded histories, by the name of their workflow in lower case."""

from pathlib import Path

from temporalio.api.history.v1 import History
from temporalio.client import WorkflowHistory

HISTORIES = Path(__file__).parent / "histories"


def recorded(name: str) -> History:
    text = (HISTORIES / f"{name}.json").read_text(encoding="utf-8")
    return History(events=WorkflowHistory.from_json(name, text).events)
