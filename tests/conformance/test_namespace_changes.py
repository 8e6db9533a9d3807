"""Namespaces that are updated, deprecated and deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import WorkflowType
from temporalio.api.enums.v1 import ArchivalState, NamespaceState
from temporalio.api.namespace.v1 import (
    BadBinaries,
    BadBinaryInfo,
    NamespaceConfig,
    NamespaceFilter,
    UpdateNamespaceInfo,
)
from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest
from temporalio.api.replication.v1 import ClusterReplicationConfig, NamespaceReplicationConfig
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DeprecateNamespaceRequest,
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    ListNamespacesRequest,
    RegisterNamespaceRequest,
    SignalWithStartWorkflowExecutionRequest,
    UpdateNamespaceRequest,
    UpdateNamespaceResponse,
)
from temporalio.client import Client
from temporalio.service import RPCError

from tests.conformance.refusals import UNKNOWN_RUN_ID
from tests.conformance.scenario import options, scenario
from tests.conformance.test_namespaces import BEYOND, INSTALLATION, OURS
from tests.conformance.world import World


async def register(world: World, **fields: Any) -> World:
    """Register a namespace of the scenario's own: its view of that one."""
    name = world.unique("shop")
    await world.client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=name,
            workflow_execution_retention_period=Duration(seconds=86_400),
            **fields,
        )
    )
    there = World(Client(world.client.service_client, namespace=name), world.lane, world.pass_time)
    there.suffix, there.observations = world.suffix, world.observations
    return there


CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "description": {"update_info": UpdateNamespaceInfo(description="books and tea")},
    "owner": {"update_info": UpdateNamespaceInfo(owner_email="bob@example.com")},
    "data": {"update_info": UpdateNamespaceInfo(data={"team": "tea", "more": ""})},
    "nothing of it": {"update_info": UpdateNamespaceInfo()},
    "retention": {
        "config": NamespaceConfig(workflow_execution_retention_ttl=Duration(seconds=7200))
    },
    "short retention": {
        "config": NamespaceConfig(workflow_execution_retention_ttl=Duration(seconds=10))
    },
    "no retention": {"config": NamespaceConfig(workflow_execution_retention_ttl=Duration())},
    "no config": {"config": NamespaceConfig()},
    "archive": {
        "config": NamespaceConfig(history_archival_state=ArchivalState.ARCHIVAL_STATE_ENABLED)
    },
    "bad binary": {
        "config": NamespaceConfig(
            bad_binaries=BadBinaries(binaries={"b1": BadBinaryInfo(reason="wrong sums")})
        )
    },
    "that bad binary": {"delete_bad_binary": "b1"},
    "cluster": {"replication_config": NamespaceReplicationConfig(active_cluster_name="active")},
    "clusters": {
        "replication_config": NamespaceReplicationConfig(
            clusters=[ClusterReplicationConfig(cluster_name="active")]
        )
    },
    "another cluster": {
        "replication_config": NamespaceReplicationConfig(active_cluster_name="passive")
    },
    "more clusters": {
        "replication_config": NamespaceReplicationConfig(
            clusters=[ClusterReplicationConfig(cluster_name="passive")]
        )
    },
    "promotion": {"promote_namespace": True},
    "a token": {"security_token": "secret"},
    "deprecated": {
        "update_info": UpdateNamespaceInfo(state=NamespaceState.NAMESPACE_STATE_DEPRECATED)
    },
    "registered again": {
        "update_info": UpdateNamespaceInfo(state=NamespaceState.NAMESPACE_STATE_REGISTERED)
    },
}


@scenario(
    "rpc:UpdateNamespace",
    "rpc:DescribeNamespace",
    *options(
        "UpdateNamespaceRequest",
        "namespace",
        "update_info",
        "config",
        "replication_config",
        "security_token",
        "delete_bad_binary",
        "promote_namespace",
    ),
    differs="only what is simulated is among the capabilities",
)
async def test_a_namespace_is_updated(world: World) -> None:
    service = world.client.workflow_service
    name = (await register(world, description="books", data={"team": "orders"})).client.namespace
    described = DescribeNamespaceRequest(namespace=name)
    for label, fields in CHANGES.items():
        change = UpdateNamespaceRequest(namespace=name, **fields)
        await observe_namespace(world, label, service.update_namespace(change))
        await observe_namespace(world, f"{label}: then", service.describe_namespace(described))


@scenario(
    "rpc:RegisterNamespace",
    *options(
        "RegisterNamespaceRequest",
        "clusters",
        "active_cluster_name",
        "security_token",
        "history_archival_state",
        "history_archival_uri",
        "visibility_archival_state",
        "visibility_archival_uri",
        "is_global_namespace",
    ),
    *options("DescribeNamespaceRequest", "weak_consistency"),
    differs="only what is simulated is among the capabilities",
)
async def test_what_a_single_cluster_makes_of_a_namespace(world: World) -> None:
    there = await register(
        world,
        clusters=[ClusterReplicationConfig(cluster_name="active")],
        active_cluster_name="active",
        security_token="secret",
        history_archival_state=ArchivalState.ARCHIVAL_STATE_ENABLED,
        history_archival_uri="file:///archive",
        visibility_archival_state=ArchivalState.ARCHIVAL_STATE_ENABLED,
        visibility_archival_uri="file:///archive",
    )
    described = DescribeNamespaceRequest(namespace=there.client.namespace, weak_consistency=True)
    service = world.client.workflow_service
    await observe_namespace(world, "described", service.describe_namespace(described))
    for name, refused in {
        "global": {"is_global_namespace": True},
        "another cluster": {"active_cluster_name": "passive"},
        "more clusters": {"clusters": [ClusterReplicationConfig(cluster_name="passive")]},
    }.items():
        request = RegisterNamespaceRequest(
            namespace=world.unique(name.replace(" ", "-")),
            workflow_execution_retention_period=Duration(seconds=86_400),
            **refused,  # type: ignore[arg-type]
        )
        await world.observe_error(name, service.register_namespace(request))


@scenario("rpc:UpdateNamespace", "rpc:DeprecateNamespace", "rpc:DeleteNamespace")
async def test_namespaces_that_cannot_be_changed(world: World) -> None:
    service, operator = world.client.workflow_service, world.client.operator_service
    for told, name in {"nothing": "", "unknown": "unknown", "long": "x" * 1001}.items():
        update = UpdateNamespaceRequest(namespace=name)
        deprecate = DeprecateNamespaceRequest(namespace=name)
        delete = DeleteNamespaceRequest(namespace=name)
        await world.observe_error(f"update {told}", service.update_namespace(update))
        await world.observe_error(f"deprecate {told}", service.deprecate_namespace(deprecate))
        await world.observe_error(f"delete {told}", operator.delete_namespace(delete))
    both = DeleteNamespaceRequest(namespace="unknown", namespace_id="unknown")
    await world.observe_error("delete both", operator.delete_namespace(both))
    by_id = DeleteNamespaceRequest(namespace_id=UNKNOWN_RUN_ID)
    await world.observe_error("delete an unknown id", operator.delete_namespace(by_id))
    system = DeleteNamespaceRequest(namespace="temporal-system")
    await world.observe_error("delete the system's", operator.delete_namespace(system))


@scenario(
    "rpc:DeprecateNamespace",
    "rpc:UpdateNamespace",
    "rpc:ListNamespaces",
    *options("DeprecateNamespaceRequest", "namespace", "security_token"),
)
@pytest.mark.parametrize("state", ["deprecated", "deleted"])
async def test_a_namespace_is_no_longer_used(world: World, state: str) -> None:
    service = world.client.workflow_service
    there = await register(world)
    name = there.client.namespace
    run = await there.start()
    deprecate = DeprecateNamespaceRequest(namespace=name, security_token="secret")
    if state == "deprecated":
        await service.deprecate_namespace(deprecate)
    else:
        deleted = UpdateNamespaceInfo(state=NamespaceState.NAMESPACE_STATE_DELETED)
        await service.update_namespace(UpdateNamespaceRequest(namespace=name, update_info=deleted))
    await until_refused(there)
    await world.observe_error("start", there.start("late"))
    await world.observe_error(
        "signal with start",
        service.signal_with_start_workflow_execution(
            SignalWithStartWorkflowExecutionRequest(
                namespace=name,
                workflow_id=world.unique("late"),
                workflow_type=WorkflowType(name="Order"),
                task_queue=TaskQueue(name=there.task_queue),
                signal_name="poke",
                request_id="poke",
            )
        ),
    )
    await world.observe_error("signal", answered(there.signal(run)))
    await world.observe_error("describe", answered(there.describe(run)))
    await world.observe_error("poll", answered(there.raw.poll_workflow_queue(wait=3)))
    await world.observe_error("terminate", there.terminate(run))
    await world.observe_error("deprecate", service.deprecate_namespace(deprecate))
    for include in (False, True):
        listed = await service.list_namespaces(
            ListNamespacesRequest(
                page_size=1000, namespace_filter=NamespaceFilter(include_deleted=include)
            )
        )
        states = [
            NamespaceState.Name(each.namespace_info.state)
            for each in listed.namespaces
            if each.namespace_info.name == name
        ]
        world.observe(f"listed, with deleted ones: {include}", states)
    await world.observe_error("register again", register(world))


@scenario(
    "rpc:DeleteNamespace",
    *options("DeleteNamespaceRequest", "namespace", "namespace_id", "namespace_delete_delay"),
)
@pytest.mark.parametrize("by_id", [False, True])
async def test_a_namespace_is_deleted(world: World, by_id: bool) -> None:
    service, operator = world.client.workflow_service, world.client.operator_service
    there = await register(world)
    await there.start()
    named = DescribeNamespaceRequest(namespace=there.client.namespace)
    info = (await service.describe_namespace(named)).namespace_info
    deleted = await operator.delete_namespace(
        DeleteNamespaceRequest(namespace_id=info.id)
        if by_id
        else DeleteNamespaceRequest(namespace=info.name, namespace_delete_delay=Duration(seconds=1))
    )
    world.observe("name", deleted.deleted_namespace == f"{info.name}-deleted-{info.id[:5]}")
    await world.observe_error("describe", service.describe_namespace(named))
    await until_refused(there)
    await world.observe_error("start", there.start("late"))
    world.observe("register again", type(await register(world)).__name__)


async def until_refused(world: World) -> None:
    """Start workflows until that is refused: the real server reads changes of namespaces late."""
    number = 0
    try:
        while True:
            await world.start(f"early-{number}")
            await asyncio.sleep(0.2)
            number += 1
    except RPCError:
        pass


async def answered(call: Awaitable[object]) -> None:
    """The outcome of a call, without its answer."""
    await call


async def observe_namespace(
    world: World,
    label: str,
    call: Awaitable[UpdateNamespaceResponse | DescribeNamespaceResponse],
) -> None:
    """Note a namespace as it is described, or the refusal."""
    try:
        described = await call
    except RPCError as error:
        world.observations.add_error(label, error)
    else:
        world.observe(label, described, without=[*BEYOND, *INSTALLATION, *OURS])
