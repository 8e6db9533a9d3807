"""List filters over a search attribute of the user's own that holds an instant."""

from __future__ import annotations

import pytest
from temporalio.service import RPCError

from tests.conformance.listings import list_runs, of_scenario, until_listed
from tests.conformance.payloads import search_attributes
from tests.conformance.scenario import scenario
from tests.conformance.world import World

STORED = {
    "noon": "2020-01-01T12:00:00Z",
    "noon elsewhere": "2020-01-01T14:00:00+02:00",
    "half a second later": "2020-01-01T12:00:00.5Z",
    "nanoseconds later": "2020-01-01T12:00:00.123456789Z",
    "summer": "2021-06-01T00:00:00+02:00",
    "before the epoch": "1969-12-31T23:59:59Z",
    "the first year": "0001-01-01T00:00:00Z",
    "the last year": "9999-12-31T23:59:59Z",
}


@scenario(
    "rpc:ListWorkflowExecutions",
    differs="the real dev server compares such instants as texts: none is ever equal to another, "
    "and each is greater than itself. Its production stores and ours compare them as instants, so "
    "no filter here depends on that",
)
@pytest.mark.parametrize(
    "comparison",
    [
        ">= '2020-01-01T12:00:00Z'",
        "> '2020-01-01T11:59:59Z'",
        "> '2020-01-01T12:00:00.2Z'",
        "< '2020-01-01T12:00:00.2Z'",
        "< '1970-01-01T00:00:00Z'",
        "> '9999-01-01T00:00:00Z'",
        "> '2020-01-01T14:00:01+02:00'",
        "<= '2020-01-01T13:00:00+02:00'",
        ">= '2021-05-31T21:00:00Z'",
        "BETWEEN '2020-01-01T12:00:00Z' AND '2020-01-01T12:00:00.7Z'",
        "NOT BETWEEN '2020-01-01T12:00:00Z' AND '2020-01-01T12:00:00.7Z'",
        "!= '2020-01-02T12:00:00Z'",
        "NOT IN ('2020-01-02T12:00:00Z')",
        "= '2020-01-02T12:00:00Z'",
        "= '2020-01-01'",
        "> '1577880000000000000'",
        "> 1577880000600000000",
        "IS NULL",
        "IS NOT NULL",
    ],
)
async def test_instants_are_compared(world: World, comparison: str) -> None:
    for name, instant in STORED.items():
        attributes = search_attributes(ConformanceDatetime=("Datetime", instant))
        await world.start(name, search_attributes=attributes)
    await world.start("never")
    await until_listed(world, len(STORED) + 1)
    try:
        found = await list_runs(world, of_scenario(world, f"ConformanceDatetime {comparison}"))
    except RPCError as error:
        world.observations.add_error("refused", error)
    else:
        world.observe("found", sorted(run.execution.workflow_id for run in found.executions))
