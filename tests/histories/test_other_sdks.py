"""Histories that workers in other languages have recorded: why a replay in Python breaks off."""

from __future__ import annotations

import json
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.history.v1 import History as Recorded

from timeskip.histories import Explanation, explain
from timeskip.histories.reading import history_from_json


@workflow.defn(name="Order", sandboxed=False)
class Order:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(60)


def recorded_by(sdk: dict[str, str], command: str, attributes: dict[str, Any]) -> Recorded:
    """A run whose first task asked for one thing and was over with it."""
    described = [
        (
            "WorkflowExecutionStarted",
            {
                "workflowType": {"name": "Order"},
                "taskQueue": {"name": "orders"},
                "originalExecutionRunId": "1",
            },
        ),
        ("WorkflowTaskScheduled", {}),
        ("WorkflowTaskStarted", {"scheduledEventId": "2"}),
        (
            "WorkflowTaskCompleted",
            {"scheduledEventId": "2", "startedEventId": "3", "sdkMetadata": sdk},
        ),
        (command, {"workflowTaskCompletedEventId": "4", **attributes}),
        ("WorkflowExecutionCompleted", {"workflowTaskCompletedEventId": "4"}),
    ]
    events = [
        {
            "eventId": str(number),
            "eventTime": "2024-01-01T00:00:00Z",
            "eventType": kind,
            f"{kind[0].lower()}{kind[1:]}EventAttributes": attributes,
        }
        for number, (kind, attributes) in enumerate(described, 1)
    ]
    return history_from_json(json.dumps(events))


def explained(recorded: Recorded) -> Explanation:
    explanation = explain(recorded, workflows=[Order])
    assert explanation is not None
    return explanation


GO = {"sdkName": "temporal-go", "sdkVersion": "1.34.0"}
PYTHON = {"sdkName": "temporal-python", "sdkVersion": "1.35.0"}


@pytest.mark.parametrize("marker", ["LocalActivity", "MutableSideEffect", "SideEffect", "Version"])
def test_marker_of_another_sdk_is_no_change_of_the_code(marker: str) -> None:
    explanation = explained(recorded_by({}, "MarkerRecorded", {"markerName": marker}))
    assert explanation.cause.kind == "another SDK"
    assert f"Marker {marker!r} is one of the SDKs for Go and Java" in str(explanation)
    assert "patched" not in str(explanation)


ACTIVITY = ("ActivityTaskScheduled", {"activityId": "1", "activityType": {"name": "charge"}})


def test_history_of_another_sdk_is_said_to_be_one() -> None:
    explanation = explained(recorded_by(GO, *ACTIVITY))
    assert explanation.cause.kind == "another SDK"
    assert "`activity charge()` has become" not in str(explanation)
    assert "The history was recorded by temporal-go 1.34.0." in str(explanation)
    assert "patched" not in str(explanation)


@pytest.mark.parametrize("sdk", [PYTHON, {}])
def test_history_of_this_sdk_is_one_of_changed_code(sdk: dict[str, str]) -> None:
    assert explained(recorded_by(sdk, *ACTIVITY)).cause.kind == "changed code"
