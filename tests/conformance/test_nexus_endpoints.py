"""Nexus endpoints: creating, changing, finding and deleting them, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import (
    CreateNexusEndpointRequest,
    DeleteNexusEndpointRequest,
    GetNexusEndpointRequest,
    ListNexusEndpointsRequest,
    UpdateNexusEndpointRequest,
)

from tests.conformance.nexus import create_endpoint, worker_target
from tests.conformance.payloads import payloads
from tests.conformance.scenario import options, scenario
from tests.conformance.world import World

NOBODY = str(UUID(int=7))
TARGET = worker_target("default", "queue")


def external(url: str) -> EndpointTarget:
    """A target that is reached over HTTP."""
    return EndpointTarget(external=EndpointTarget.External(url=url))


#: What is wrong with an endpoint.
MISTAKES: dict[str, Mapping[str, Any]] = {
    "nothing": {"name": "", "target": None},
    "no name": {"name": ""},
    "name with a blank": {"name": "my shop"},
    "name with a dot": {"name": "my.shop"},
    "name with an underscore": {"name": "my_shop"},
    "name of one letter": {"name": "a"},
    "name that ends in a hyphen": {"name": "shop-"},
    "name that begins with a digit": {"name": "1shop"},
    "name that ends in a new line": {"name": "shop\n"},
    "name too long": {"name": "a" * 201},
    "name too long and wrong": {"name": "é" * 101},
    "no target": {"target": None},
    "empty target": {"target": EndpointTarget()},
    "no name, no target": {"name": "", "target": None},
    "no namespace": {"target": worker_target("", "queue")},
    "unknown namespace": {"target": worker_target("nowhere", "queue")},
    "no task queue": {"target": worker_target("default", "")},
    "no namespace, no task queue": {"target": worker_target("", "")},
    "no name, no task queue": {"name": "", "target": worker_target("default", "")},
    "reserved task queue": {"target": worker_target("default", "/_sys/queue")},
    "task queue too long": {"target": worker_target("default", "a" * 1001)},
    "no address": {"target": external("")},
    "address without a scheme": {"target": external("somewhere")},
    "address of another scheme": {"target": external("ftp://somewhere/there")},
    "address too long": {"target": external("http://" + "a" * 4090)},
    "large description": {"description": payloads("x" * 20_000).payloads[0]},
    "large description, no task queue": {
        "description": payloads("x" * 20_000).payloads[0],
        "target": worker_target("default", ""),
    },
}


@scenario(
    "rpc:CreateNexusEndpoint",
    "rpc:GetNexusEndpoint",
    "rpc:ListNexusEndpoints",
    *options("CreateNexusEndpointRequest", "spec"),
    *options("GetNexusEndpointRequest", "id"),
    *options("ListNexusEndpointsRequest", "name"),
    *options("EndpointSpec", "name", "description", "target"),
    *options("EndpointTarget", "worker"),
    *options("Worker", "namespace", "task_queue"),
)
async def test_an_endpoint_is_found_by_id_and_by_name(world: World) -> None:
    operator = world.client.operator_service
    spec = EndpointSpec(
        name=world.unique("shop"), description=payloads("sells").payloads[0], target=TARGET
    )
    created = await operator.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
    world.observe("created", created)
    endpoint_id = created.endpoint.id
    world.observe(
        "by id", await operator.get_nexus_endpoint(GetNexusEndpointRequest(id=endpoint_id))
    )
    for name in (spec.name, world.unique("nothing")):
        found = await operator.list_nexus_endpoints(ListNexusEndpointsRequest(name=name))
        world.observe("by name", found)
    await world.observe_error(
        "again", operator.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
    )


@scenario(
    "rpc:CreateNexusEndpoint",
    *options("EndpointTarget", "external"),
    *options("External", "url"),
)
async def test_an_endpoint_may_be_elsewhere(world: World) -> None:
    spec = EndpointSpec(name=world.unique("far"), target=external("https://example.com/there"))
    world.observe(
        "created",
        await world.client.operator_service.create_nexus_endpoint(
            CreateNexusEndpointRequest(spec=spec)
        ),
    )


@scenario(
    "rpc:UpdateNexusEndpoint",
    *options("UpdateNexusEndpointRequest", "id", "version", "spec"),
)
async def test_an_endpoint_is_changed(world: World) -> None:
    operator = world.client.operator_service
    endpoint = await create_endpoint(world)
    other = await create_endpoint(world, "other")
    spec = EndpointSpec(name=world.unique("renamed"), target=TARGET)

    async def update(label: str, **fields: Any) -> None:
        request = {"id": endpoint.id, "version": 1, "spec": spec, **fields}
        await world.observe_error(
            label, operator.update_nexus_endpoint(UpdateNexusEndpointRequest(**request))
        )

    await update("no version", version=0)
    await update("another version", version=2)
    await update("not an id", id="shop")
    await update("unknown", id=NOBODY)
    await update("no id", id="")
    await update("nothing", spec=None)
    await update("good")
    await update("once more")
    await update("to a name that is taken", version=2, spec=other.spec)
    found = await operator.get_nexus_endpoint(GetNexusEndpointRequest(id=endpoint.id))
    world.observe("found", found)


@scenario("rpc:DeleteNexusEndpoint", *options("DeleteNexusEndpointRequest", "id", "version"))
async def test_an_endpoint_is_deleted(world: World) -> None:
    operator = world.client.operator_service
    endpoint = await create_endpoint(world)

    async def delete(label: str, **fields: Any) -> None:
        request = {"id": endpoint.id, "version": 1, **fields}
        await world.observe_error(
            label, operator.delete_nexus_endpoint(DeleteNexusEndpointRequest(**request))
        )

    await delete("nothing", id="", version=0)
    await delete("no version", version=0)
    await delete("not an id", id="shop")
    await delete("unknown", id=NOBODY)
    await delete("good", version=77)
    await delete("once more")
    await world.observe_error(
        "gone", operator.get_nexus_endpoint(GetNexusEndpointRequest(id=endpoint.id))
    )


@scenario("rpc:GetNexusEndpoint")
async def test_ids_of_no_endpoint(world: World) -> None:
    for endpoint_id in ("", "shop", NOBODY):
        await world.observe_error(
            f"id {endpoint_id!r}",
            world.client.operator_service.get_nexus_endpoint(
                GetNexusEndpointRequest(id=endpoint_id)
            ),
        )


@scenario(
    "rpc:ListNexusEndpoints", *options("ListNexusEndpointsRequest", "page_size", "next_page_token")
)
async def test_endpoints_are_listed_in_pages(world: World) -> None:
    operator = world.client.operator_service
    names = {(await create_endpoint(world, name)).spec.name for name in ("one", "two", "three")}
    listed: list[str] = []
    request = ListNexusEndpointsRequest(page_size=2)
    while True:
        page = await operator.list_nexus_endpoints(request)
        assert len(page.endpoints) <= 2
        listed += [endpoint.spec.name for endpoint in page.endpoints]
        if not page.next_page_token:
            break
        request.next_page_token = page.next_page_token
    world.observe("all are listed once", sorted(names.intersection(listed)) == sorted(names))
    for fields in ({"page_size": -1}, {"page_size": 1001}, {"next_page_token": b"nonsense"}):
        request = ListNexusEndpointsRequest(**fields)
        await world.observe_error(f"{fields}", operator.list_nexus_endpoints(request))


@pytest.mark.parametrize("mistake", MISTAKES)
@scenario("rpc:CreateNexusEndpoint", "rpc:UpdateNexusEndpoint")
async def test_endpoints_that_cannot_be(world: World, mistake: str) -> None:
    spec = EndpointSpec(**{"name": "shop", "target": TARGET, **MISTAKES[mistake]})
    operator = world.client.operator_service
    await world.observe_error(
        "create", operator.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
    )
    await world.observe_error(
        "update", operator.update_nexus_endpoint(UpdateNexusEndpointRequest(spec=spec))
    )
