"""What the service says of itself."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import (
    GetClusterInfoRequest,
    GetClusterInfoResponse,
    GetSystemInfoRequest,
    GetSystemInfoResponse,
)

from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.rpcs import rpc

#: The release of the real server whose behaviour is simulated.
SERVER_VERSION = "1.32.0"

#: Which releases of each client the real server of that version accepts.
SUPPORTED_CLIENTS = {
    "Nexus-go-sdk": "<2.0.0",
    "temporal-cli": "<2.0.0",
    "temporal-go": "<2.0.0",
    "temporal-java": "<2.0.0",
    "temporal-php": "<2.0.0",
    "temporal-server": "<2.0.0",
    "temporal-typescript": "<2.0.0",
    "temporal-ui": "<3.0.0",
}


@rpc("GetSystemInfo")
def get_system_info(
    cluster: Cluster, call: Call, request: GetSystemInfoRequest
) -> GetSystemInfoResponse:
    """Only what is simulated is claimed: schedules stay unset until they are."""
    return GetSystemInfoResponse(
        server_version=SERVER_VERSION,
        capabilities=GetSystemInfoResponse.Capabilities(
            signal_and_query_header=True,
            internal_error_differentiation=True,
            activity_failure_include_heartbeat=True,
            encoded_failure_attributes=True,
            build_id_based_versioning=True,
            upsert_memo=True,
            eager_workflow_start=True,
            sdk_metadata=True,
            count_group_by_execution_status=True,
            nexus=True,
        ),
    )


@rpc("GetClusterInfo")
def get_cluster_info(
    cluster: Cluster, call: Call, request: GetClusterInfoRequest
) -> GetClusterInfoResponse:
    return GetClusterInfoResponse(
        supported_clients=SUPPORTED_CLIENTS,
        server_version=SERVER_VERSION,
        cluster_id=cluster.id,
        cluster_name="active",
        history_shard_count=1,
        persistence_store="timeskip",
        visibility_store="timeskip",
        initial_failover_version=1,
        failover_version_increment=10,
    )
