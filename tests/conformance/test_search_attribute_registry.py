"""Adding, removing and listing the search attributes of a namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
    RemoveSearchAttributesRequest,
)
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    GetSearchAttributesRequest,
    ListWorkflowExecutionsRequest,
    RegisterNamespaceRequest,
)

from tests.conformance.payloads import search_attributes
from tests.conformance.scenario import options, scenario
from tests.conformance.world import World

KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
INT = IndexedValueType.INDEXED_VALUE_TYPE_INT
TYPES = [value for value in IndexedValueType.values() if value]


async def namespace(world: World) -> str:
    """A namespace of the scenario's own."""
    name = world.unique("namespace")
    await world.client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=name, workflow_execution_retention_period=Duration(seconds=86_400)
        )
    )
    return name


async def add(world: World, name: str, attributes: Mapping[str, Any]) -> None:
    await world.client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace=name, search_attributes=attributes)
    )


async def remove(world: World, name: str, *attributes: str) -> None:
    await world.client.operator_service.remove_search_attributes(
        RemoveSearchAttributesRequest(namespace=name, search_attributes=attributes)
    )


async def custom(world: World, name: str) -> dict[str, str]:
    """The custom search attributes of a namespace and the names of their types."""
    listed = await world.client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=name)
    )
    return {
        attribute: IndexedValueType.Name(value_type)
        for attribute, value_type in sorted(listed.custom_attributes.items())
    }


@scenario(
    "rpc:AddSearchAttributes",
    "rpc:RemoveSearchAttributes",
    "rpc:ListSearchAttributes",
    *options("AddSearchAttributesRequest", "namespace", "search_attributes"),
    *options("RemoveSearchAttributesRequest", "namespace", "search_attributes"),
    *options("ListSearchAttributesRequest", "namespace"),
)
async def test_search_attributes_come_and_go(world: World) -> None:
    name = await namespace(world)
    world.observe("none", await custom(world, name))
    await add(world, name, {f"Of{value}": value for value in TYPES})
    world.observe("one of each type", await custom(world, name))
    await add(world, name, {f"Of{KEYWORD}": KEYWORD, "Another": INT})
    world.observe("one more", await custom(world, name))
    await add(world, name, {"Another": KEYWORD})
    world.observe("of another type", await custom(world, name))
    await remove(world, name, "Another", "Nobody")
    world.observe("one less", await custom(world, name))
    await remove(world, name, "Another")
    world.observe("none less", await custom(world, name))


@scenario("rpc:ListSearchAttributes")
async def test_all_search_attributes_are_listed(world: World) -> None:
    listed = await world.client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=world.client.namespace)
    )
    world.observe("listed", listed)


@scenario("rpc:GetSearchAttributes")
async def test_all_search_attributes_are_got(world: World) -> None:
    service = world.client.workflow_service
    world.observe("got", await service.get_search_attributes(GetSearchAttributesRequest()))


@scenario("rpc:AddSearchAttributes", "rpc:RemoveSearchAttributes")
async def test_an_added_search_attribute_is_used(world: World) -> None:
    name = await namespace(world)
    start = world.start_request(
        namespace=name, search_attributes=search_attributes(Colour=("Keyword", "red"))
    )
    red: dict[str, Any] = {"namespace": name, "query": "Colour = 'red'"}
    service = world.client.workflow_service
    await world.observe_error("too early", world.start_with(start))
    await world.observe_error("not yet", service.count_workflow_executions(_count(red)))
    await add(world, name, {"Colour": KEYWORD})
    await world.start_with(start)
    found = 0
    while not found:
        found = (await service.count_workflow_executions(_count(red))).count
    listed = await service.list_workflow_executions(ListWorkflowExecutionsRequest(**red))
    world.observe("listed", listed)
    await remove(world, name, "Colour")
    await world.observe_error("no more", service.count_workflow_executions(_count(red)))
    all_runs = await service.list_workflow_executions(ListWorkflowExecutionsRequest(namespace=name))
    # Added anew it may or may not find the run: the real server picks a column at random.
    world.observe("without", [info.execution.workflow_id for info in all_runs.executions])


def _count(fields: Mapping[str, Any]) -> CountWorkflowExecutionsRequest:
    return CountWorkflowExecutionsRequest(**fields)


@scenario("rpc:AddSearchAttributes")
async def test_a_namespace_has_room_for_so_many_of_a_type(world: World) -> None:
    name = await namespace(world)
    for value_type in TYPES:
        label = IndexedValueType.Name(value_type)
        for number in range(11):
            attributes = {f"{label}{number}": value_type}
            await world.observe_error(f"{label} {number}", add(world, name, attributes))
    too_many = {f"Word{number}": KEYWORD for number in range(2)}
    await world.observe_error("two more", add(world, name, too_many))


ADD_MISTAKES: dict[str, dict[str, Any]] = {
    "none": {},
    "no type": {"search_attributes": {"Colour": 0}},
    "unknown type": {"search_attributes": {"Colour": 99}},
    "negative type": {"search_attributes": {"Colour": -1}},
    "system": {"search_attributes": {"WorkflowId": KEYWORD}},
    "predefined": {"search_attributes": {"BuildIds": KEYWORD}},
    "reserved": {"search_attributes": {"TemporalColour": KEYWORD}},
    "reserved of unknown type": {"search_attributes": {"TemporalColour": 99}},
    "no namespace": {"namespace": "", "search_attributes": {"Colour": KEYWORD}},
    "unknown namespace": {"namespace": "nowhere", "search_attributes": {"Colour": KEYWORD}},
    "neither": {"namespace": ""},
}

REMOVE_MISTAKES: dict[str, dict[str, Any]] = {
    "none": {},
    "system": {"search_attributes": ["WorkflowId"]},
    "predefined": {"search_attributes": ["BuildIds"]},
    "no namespace": {"namespace": "", "search_attributes": ["Colour"]},
    "unknown namespace": {"namespace": "nowhere", "search_attributes": ["Colour"]},
    "neither": {"namespace": ""},
}


@pytest.mark.parametrize("mistake", ADD_MISTAKES)
@scenario("rpc:AddSearchAttributes")
async def test_a_search_attribute_is_not_added(world: World, mistake: str) -> None:
    name = await namespace(world)
    request = AddSearchAttributesRequest(**{"namespace": name, **ADD_MISTAKES[mistake]})
    service = world.client.operator_service
    await world.observe_error("answer", service.add_search_attributes(request))
    world.observe("custom", await custom(world, name))


@pytest.mark.parametrize("mistake", REMOVE_MISTAKES)
@scenario("rpc:RemoveSearchAttributes")
async def test_a_search_attribute_is_not_removed(world: World, mistake: str) -> None:
    name = await namespace(world)
    await add(world, name, {"Colour": KEYWORD})
    request = RemoveSearchAttributesRequest(**{"namespace": name, **REMOVE_MISTAKES[mistake]})
    service = world.client.operator_service
    await world.observe_error("answer", service.remove_search_attributes(request))
    world.observe("custom", await custom(world, name))


@pytest.mark.parametrize("name", ["", "nowhere"])
@scenario("rpc:ListSearchAttributes")
async def test_search_attributes_of_no_namespace(world: World, name: str) -> None:
    service = world.client.operator_service
    request = ListSearchAttributesRequest(namespace=name)
    await world.observe_error("answer", service.list_search_attributes(request))
