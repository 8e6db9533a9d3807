"""Namespaces that cannot be registered or described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.replication.v1 import ClusterReplicationConfig
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    ListNamespacesRequest,
    RegisterNamespaceRequest,
)

from tests.conformance.commands import seconds
from tests.conformance.refusals import LONG, UNKNOWN_RUN_ID, observe_refusal, with_fields
from tests.conformance.scenario import scenario
from tests.conformance.world import World

REGISTER_MISTAKES: dict[str, Mapping[str, Any]] = {
    "name empty": {"namespace": ""},
    "name too long": {"namespace": LONG},
    "name taken": {"namespace": "default"},
    "name of the system": {"namespace": "temporal-system"},
    "retention missing": {"workflow_execution_retention_period": None},
    "retention zero": {"workflow_execution_retention_period": Duration()},
    "retention negative": {"workflow_execution_retention_period": seconds(-1)},
    "retention below an hour": {"workflow_execution_retention_period": seconds(3599)},
    "global": {"is_global_namespace": True},
    "cluster unknown": {"active_cluster_name": "nowhere"},
    "replica unknown": {"clusters": [ClusterReplicationConfig(cluster_name="nowhere")]},
    "first name taken, then replica": {
        "clusters": [ClusterReplicationConfig(cluster_name="nowhere")],
        "namespace": "default",
    },
    "first global, then retention": {
        "is_global_namespace": True,
        "workflow_execution_retention_period": None,
    },
    "first global, then name taken": {"is_global_namespace": True, "namespace": "default"},
    "first retention, then name taken": {
        "workflow_execution_retention_period": None,
        "namespace": "default",
    },
    "first retention, then cluster": {
        "workflow_execution_retention_period": None,
        "active_cluster_name": "nowhere",
    },
    "first name taken, then cluster": {
        "namespace": "default",
        "active_cluster_name": "nowhere",
    },
}

DESCRIBE_MISTAKES: dict[str, Mapping[str, Any]] = {
    "name missing": {},
    "name unknown": {"namespace": "nowhere"},
    "name too long": {"namespace": LONG},
    "id unknown": {"id": UNKNOWN_RUN_ID},
    "id malformed": {"id": "nonsense"},
    "id of the right length": {"id": "z" * 36},
}


@pytest.mark.parametrize("mistake", REGISTER_MISTAKES)
@scenario()
async def test_registration_is_refused(world: World, mistake: str) -> None:
    good = {
        "namespace": world.unique("namespace"),
        "workflow_execution_retention_period": seconds(24 * 3600),
    }
    service = world.client.workflow_service
    request = RegisterNamespaceRequest(**with_fields(good, REGISTER_MISTAKES[mistake]))
    await observe_refusal(world, service.register_namespace(request))
    unknown = DescribeNamespaceRequest(namespace=world.unique("namespace"))
    await world.observe_error("description", service.describe_namespace(unknown))


@pytest.mark.parametrize("mistake", DESCRIBE_MISTAKES)
@scenario()
async def test_description_is_refused(world: World, mistake: str) -> None:
    request = DescribeNamespaceRequest(**DESCRIBE_MISTAKES[mistake])
    await observe_refusal(world, world.client.workflow_service.describe_namespace(request))


@scenario()
async def test_listing_of_fewer_than_none_is_refused(world: World) -> None:
    request = ListNamespacesRequest(page_size=-1)
    await observe_refusal(world, world.client.workflow_service.list_namespaces(request))
