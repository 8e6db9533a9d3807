"""`RegisterNamespace`, `DescribeNamespace` and `ListNamespaces`."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import ArchivalState, NamespaceState, ReplicationState
from temporalio.api.errordetails.v1 import NamespaceAlreadyExistsFailure
from temporalio.api.namespace.v1 import BadBinaries, NamespaceConfig, NamespaceInfo
from temporalio.api.replication.v1 import ClusterReplicationConfig, NamespaceReplicationConfig
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    ListNamespacesRequest,
    ListNamespacesResponse,
    RegisterNamespaceRequest,
    RegisterNamespaceResponse,
)

from timeskip.clock import SECOND, Nanoseconds
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, namespace_not_found
from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.namespaces import (
    BLOB_SIZE_LIMIT,
    MEMO_SIZE_LIMIT,
    WORKFLOW_TASK_COMPLETION_SIZE_LIMIT,
    Namespace,
)
from timeskip.server.rpcs import rpc
from timeskip.server.validation.durations import nanoseconds
from timeskip.server.validation.executions import canonical_uuid
from timeskip.server.validation.namespaces import validate_namespace_length

_SHORTEST_RETENTION: Nanoseconds = 3600 * SECOND
_CLUSTER_NAME = "active"

#: Without dashes, as usual, in braces, and as a URN.
_UUID_LENGTHS = (32, 36, 38, 45)


@rpc("RegisterNamespace")
def register_namespace(
    cluster: Cluster, call: Call, request: RegisterNamespaceRequest
) -> RegisterNamespaceResponse:
    name = request.namespace
    if not name:
        raise invalid_argument("Namespace not set on request.")
    validate_namespace_length(name)
    if request.is_global_namespace:
        raise invalid_argument("Cannot register global namespace when not enabled")
    retention = valid_retention(request.workflow_execution_retention_period)
    if name in cluster.namespaces:
        raise ServiceError(
            StatusCode.ALREADY_EXISTS,
            f'Namespace "{name}" already exists',
            NamespaceAlreadyExistsFailure(),
        )
    validate_clusters(request.active_cluster_name, request.clusters)
    cluster.namespaces[name] = Namespace(
        name,
        cluster.ids.uuid(),
        description=request.description,
        owner_email=request.owner_email,
        retention=retention,
        data=dict(request.data),
        registered=True,
    )
    return RegisterNamespaceResponse()


def valid_retention(retention: Duration) -> Nanoseconds:
    """How long closed runs are to be kept, or the refusal of what is too short."""
    length = nanoseconds(retention)
    if length < _SHORTEST_RETENTION:
        raise invalid_argument("A valid retention period is not set on request.")
    return length


def validate_clusters(active: str, clusters: Iterable[ClusterReplicationConfig]) -> None:
    """Refuse clusters other than the one that there is."""
    for name in (active, *(each.cluster_name for each in clusters)):
        if name not in ("", _CLUSTER_NAME):
            raise invalid_argument(f"Invalid cluster name: {name}")


@rpc("DescribeNamespace")
def describe_namespace(
    cluster: Cluster, call: Call, request: DescribeNamespaceRequest
) -> DescribeNamespaceResponse:
    if request.namespace:
        validate_namespace_length(request.namespace)
        namespace = cluster.namespaces.get(request.namespace)
    elif request.id:
        namespace = _by_id(cluster, request.id)
    else:
        raise invalid_argument("Namespace not set on request.")
    if namespace is None:
        raise namespace_not_found(request.namespace or request.id)
    return description(cluster, namespace)


@rpc("ListNamespaces")
def list_namespaces(
    cluster: Cluster, call: Call, request: ListNamespacesRequest
) -> ListNamespacesResponse:
    """In the order of their ids; the page token is the id of the last one shown."""
    if request.page_size < 0:
        raise ServiceError(
            StatusCode.UNAVAILABLE,
            "ListNamespaces operation failed. Failed to get namespace rows. "
            "Error: missing one or more args for API",
        )
    last = request.next_page_token.decode("ascii", "replace")
    deleted = NamespaceState.NAMESPACE_STATE_DELETED
    after = sorted(
        (
            each
            for each in cluster.namespaces.values()
            if each.id > last
            and (each.state != deleted or request.namespace_filter.include_deleted)
        ),
        key=lambda each: each.id,
    )
    shown = after[: request.page_size] if request.page_size else after
    response = ListNamespacesResponse(namespaces=[description(cluster, each) for each in shown])
    if len(shown) < len(after):
        response.next_page_token = shown[-1].id.encode()
    return response


def _by_id(cluster: Cluster, id: str) -> Namespace | None:
    canonical = canonical_uuid(id)
    if canonical is None:
        known_length = len(id) in _UUID_LENGTHS
        reason = "invalid UUID format" if known_length else f"invalid UUID length: {len(id)}"
        raise ServiceError(StatusCode.UNKNOWN, reason)
    return next((each for each in cluster.namespaces.values() if each.id == canonical), None)


def description(cluster: Cluster, namespace: Namespace) -> DescribeNamespaceResponse:
    """The answer that describes a namespace."""
    response = DescribeNamespaceResponse(
        namespace_info=NamespaceInfo(
            name=namespace.name,
            state=namespace.state,
            description=namespace.description,
            owner_email=namespace.owner_email,
            data=namespace.data,
            id=namespace.id,
            capabilities=NamespaceInfo.Capabilities(
                eager_workflow_start=True,
                sync_update=True,
                async_update=True,
                worker_heartbeats=True,
                workflow_pause=True,
                worker_poll_complete_on_shutdown=cluster.answers_polls_at_shutdown,
            ),
            limits=NamespaceInfo.Limits(
                blob_size_limit_error=BLOB_SIZE_LIMIT,
                memo_size_limit_error=MEMO_SIZE_LIMIT,
                workflow_task_completion_size_limit_error=WORKFLOW_TASK_COMPLETION_SIZE_LIMIT,
            ),
        ),
        config=NamespaceConfig(
            bad_binaries=BadBinaries(),
            history_archival_state=ArchivalState.ARCHIVAL_STATE_DISABLED,
            visibility_archival_state=ArchivalState.ARCHIVAL_STATE_DISABLED,
        ),
        replication_config=NamespaceReplicationConfig(
            active_cluster_name=_CLUSTER_NAME,
            clusters=[ClusterReplicationConfig(cluster_name=_CLUSTER_NAME)],
        ),
    )
    response.config.workflow_execution_retention_ttl.FromNanoseconds(namespace.retention)
    if namespace.registered:
        response.replication_config.state = ReplicationState.REPLICATION_STATE_NORMAL
    return response
