"""Values that search attributes do not take, and those that they do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload, SearchAttributes

from tests.conformance.refusals import observe_refusal
from tests.conformance.scenario import scenario
from tests.conformance.world import World

TEXTS = ["x", ["x"], [], None, 5, 1.5, 1234567, True, ["a", "b"], [5], {"b": [None], "a": 1}]

#: Values for each attribute, as JSON.
VALUES: dict[str, list[Any]] = {
    "ConformanceKeyword": TEXTS,
    "ConformanceText": TEXTS,
    "TemporalScheduledById": TEXTS,
    "ConformanceInt": [5, [5], [], None, "x", 1.5, 1.0, True, ["a"], 2**63, -(2**63), {}],
    "BuildIds": [["a", "b"], [["a"]], ["a", None], [], None, "x", 5, [5], 1e20, 0.00001, -1e21],
    "TemporalSchedulePaused": [True, [False], None, "true", 0, [5]],
    "TemporalScheduledStartTime": [
        "2020-01-01T00:00:00Z",
        "2020-01-01T00:00:00.123456789+02:00",
        "2020-01-01T00:00:00,5Z",
        ["2020-01-01T00:00:00Z"],
        None,
        "2020-01-01 00:00:00Z",
        "2020-01-01T00:00:00",
        "2020-13-01T00:00:00Z",
        "2020-02-30T00:00:00Z",
        "2020-01-01T24:00:00Z",
        "2020-01-01T00:00:00+25:00",
        "2020-1-1T00:00:00Z",
        "2020-01-01t00:00:00z",
        5,
    ],
}
CASES = [f"{name} {json.dumps(value)}" for name, values in VALUES.items() for value in values]

#: Names that only the server sets, and some that nobody knows.
NAMES = [
    "CloseTime",
    "ExecutionDuration",
    "ExecutionStatus",
    "ExecutionTime",
    "HistoryLength",
    "HistorySizeBytes",
    "NamespaceId",
    "ParentRunId",
    "ParentWorkflowId",
    "RootRunId",
    "RootWorkflowId",
    "RunId",
    "StartTime",
    "StateTransitionCount",
    "TaskQueue",
    "TemporalExternalPayloadCount",
    "TemporalExternalPayloadSizeBytes",
    "TemporalUsedWorkerDeploymentVersions",
    "TemporalWorkerDeployment",
    "TemporalWorkerDeploymentVersion",
    "TemporalWorkflowVersioningBehavior",
    "WorkflowId",
    "WorkflowType",
    "Nobody",
]

ENCODINGS = {
    "null": Payload(metadata={"encoding": b"binary/null"}),
    "bytes": Payload(metadata={"encoding": b"binary/plain"}, data=b"abc"),
}


async def observe_start(world: World, name: str, value: Payload) -> None:
    """Start a workflow with one search attribute, and note what that does."""
    request = world.start_request(search_attributes=SearchAttributes(indexed_fields={name: value}))
    await observe_refusal(world, world.client.workflow_service.start_workflow_execution(request))


def encoded(data: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=data.encode())


@pytest.mark.parametrize("case", CASES)
@scenario()
async def test_value_of_a_search_attribute(world: World, case: str) -> None:
    name, _, value = case.partition(" ")
    await observe_start(world, name, encoded(value))


@pytest.mark.parametrize("name", NAMES)
@scenario()
async def test_name_of_a_search_attribute(world: World, name: str) -> None:
    await observe_start(world, name, encoded('"x"'))


@pytest.mark.parametrize("encoding", ENCODINGS)
@scenario()
async def test_encoding_of_a_search_attribute(world: World, encoding: str) -> None:
    await observe_start(world, "BuildIds", ENCODINGS[encoding])


@pytest.mark.parametrize(
    "names", ["Nobody WorkflowId", "Nobody BuildIds", "BuildIds Nobody WorkflowId"]
)
@scenario()
async def test_unknown_name_is_told_first(world: World, names: str) -> None:
    attributes = SearchAttributes(indexed_fields=dict.fromkeys(names.split(), encoded("5")))
    request = world.start_request(search_attributes=attributes)
    await observe_refusal(world, world.client.workflow_service.start_workflow_execution(request))
