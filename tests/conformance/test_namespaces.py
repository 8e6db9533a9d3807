"""Namespaces, and what the server says of itself."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceFilter
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    GetClusterInfoRequest,
    GetSystemInfoRequest,
    ListNamespacesRequest,
    RegisterNamespaceRequest,
    StartWorkflowExecutionRequest,
)
from temporalio.client import Client

from tests.conformance.raw_worker import RawWorker
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World

#: Capabilities that only a server of all of Temporal has.
BEYOND = [
    "async_update",
    "build_id_based_versioning",
    "poller_autoscaling",
    "reported_problems_search_attribute",
    "server_scaled_deployments",
    "standalone_activities",
    "standalone_activity_batch_operations",
    "standalone_activity_operator_commands",
    "standalone_activity_start_delay",
    "standalone_nexus_operation",
    "supports_schedules",
    "sync_update",
    "worker_heartbeats",
]

#: What ours does and the real server, as its releases are configured, does not.
OURS = ["worker_poll_complete_on_shutdown"]

#: What describes the installation of a server and not what it does.
INSTALLATION = ["custom_search_attribute_aliases", "limits", "server_version"]


@scenario(
    "rpc:GetSystemInfo",
    differs="only what is simulated is among the capabilities",
)
async def test_the_server_tells_what_it_can(world: World) -> None:
    info = await world.client.workflow_service.get_system_info(GetSystemInfoRequest())
    world.observe("system", info, without=[*BEYOND, *INSTALLATION, *OURS])


@scenario()
async def test_the_server_is_healthy(world: World) -> None:
    world.observe("healthy", await world.client.service_client.check_health())


@scenario("rpc:GetClusterInfo")
async def test_the_server_tells_of_its_cluster(world: World) -> None:
    world.observe(
        "cluster",
        await world.client.workflow_service.get_cluster_info(GetClusterInfoRequest()),
        without=[
            "cluster_id",
            "persistence_store",
            "server_version",
            "supported_clients",
            "version_info",
            "visibility_store",
        ],
    )


@scenario(
    "rpc:DescribeNamespace",
    *options("DescribeNamespaceRequest", "namespace", "id"),
    differs="only what is simulated is among the capabilities",
)
async def test_the_default_namespace_is_described(world: World) -> None:
    describe = world.client.workflow_service.describe_namespace
    description = await describe(DescribeNamespaceRequest(namespace=world.client.namespace))
    world.observe("by name", description, without=[*BEYOND, *INSTALLATION, *OURS])
    by_id = DescribeNamespaceRequest(id=description.namespace_info.id)
    world.observe("by id", await describe(by_id), without=[*BEYOND, *INSTALLATION, *OURS])
    await world.observe_error("unknown", describe(DescribeNamespaceRequest(namespace="unknown")))
    await world.observe_error(
        "unknown id",
        describe(DescribeNamespaceRequest(id="00000000-0000-4000-8000-000000000000")),
    )
    await world.observe_error("neither", describe(DescribeNamespaceRequest()))


@scenario(
    "rpc:RegisterNamespace",
    "rpc:ListNamespaces",
    *options(
        "RegisterNamespaceRequest",
        "namespace",
        "description",
        "owner_email",
        "workflow_execution_retention_period",
        "data",
    ),
)
async def test_a_namespace_is_registered(world: World) -> None:
    service = world.client.workflow_service
    name = world.unique("shop")
    request = RegisterNamespaceRequest(
        namespace=name,
        description="books",
        owner_email="ada@example.com",
        workflow_execution_retention_period=Duration(seconds=3 * 86_400),
        data={"team": "orders"},
    )
    world.observe("answer", await service.register_namespace(request))
    await world.observe_error("again", service.register_namespace(request))
    description = await service.describe_namespace(DescribeNamespaceRequest(namespace=name))
    world.observe("description", description, without=[*BEYOND, *INSTALLATION, *OURS])
    listed = await service.list_namespaces(ListNamespacesRequest(page_size=1000))
    world.observe(
        "listed",
        sorted(
            namespace.namespace_info.name
            for namespace in listed.namespaces
            if namespace.namespace_info.name in (name, "default")
        ),
    )


@scenario("rpc:ListNamespaces")
async def test_namespaces_are_listed(world: World) -> None:
    listed = await world.client.workflow_service.list_namespaces(ListNamespacesRequest())
    (default,) = (each for each in listed.namespaces if each.namespace_info.name == "default")
    world.observe("the default namespace", default, without=[*BEYOND, *INSTALLATION, *OURS])


@scenario("rpc:RegisterNamespace")
async def test_namespaces_that_cannot_be_registered(world: World) -> None:
    register = world.client.workflow_service.register_namespace
    await world.observe_error("no name", register(RegisterNamespaceRequest()))
    await world.observe_error(
        "no retention", register(RegisterNamespaceRequest(namespace=world.unique("no-retention")))
    )


@scenario("rpc:StartWorkflowExecution")
async def test_an_unknown_namespace(world: World) -> None:
    request = StartWorkflowExecutionRequest()
    request.CopyFrom(world.start_request())
    request.namespace = "unknown"
    await world.observe_error("start", world.start_with(request))


@scenario(
    "rpc:ListNamespaces",
    *options("ListNamespacesRequest", "page_size", "next_page_token", "namespace_filter"),
)
async def test_namespaces_are_listed_in_pages(world: World) -> None:
    service = world.client.workflow_service
    ours = {world.unique(f"shop-{n}") for n in range(3)}
    for name in sorted(ours):
        await service.register_namespace(
            RegisterNamespaceRequest(
                namespace=name, workflow_execution_retention_period=Duration(seconds=86_400)
            )
        )
    seen = []
    token = b""
    while True:
        page = await service.list_namespaces(
            ListNamespacesRequest(
                page_size=2,
                next_page_token=token,
                namespace_filter=NamespaceFilter(include_deleted=True),
            )
        )
        if len(page.namespaces) > 2:
            raise AssertionError("a page is larger than asked for")
        seen += [namespace.namespace_info.name for namespace in page.namespaces]
        token = page.next_page_token
        if not token:
            break
    world.observe("ours", sorted(ours.intersection(seen)))
    world.observe("none twice", len(seen) == len(set(seen)))


@scenario("rpc:RegisterNamespace", "rpc:StartWorkflowExecution", "rpc:SignalWorkflowExecution")
async def test_namespaces_keep_their_workflows_apart(world: World) -> None:
    name = world.unique("shop")
    await world.client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=name, workflow_execution_retention_period=Duration(seconds=86_400)
        )
    )
    shop = World(Client(world.client.service_client, namespace=name), world.lane, world.pass_time)
    here = await world.start("order")
    there = await shop.start("order", workflow_id=here.workflow_id)
    await world.observe_error("a run of another namespace", shop.describe(here))
    await shop.signal(Run(here.workflow_id), "there")
    await world.signal(Run(here.workflow_id), "here")
    await world.observe_history("here", here)
    world.observations.add_history("there", await shop.history(there))
    world.observe_task("task here", await world.raw.poll_workflow_task())
    queue_there = RawWorker(shop.client, world.task_queue)
    await world.observe_error("no task there", queue_there.poll_workflow_queue(wait=3))
    task = await shop.raw.poll_workflow_task()
    await world.observe_error(
        "answer to the wrong namespace", world.raw.complete_workflow_task(task)
    )
    world.observe("answer", await shop.raw.complete_workflow_task(task))
