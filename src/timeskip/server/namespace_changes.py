"""`UpdateNamespace`, `DeprecateNamespace` and `DeleteNamespace`."""

from __future__ import annotations

from temporalio.api.enums.v1 import NamespaceState
from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest, DeleteNamespaceResponse
from temporalio.api.workflowservice.v1 import (
    DeprecateNamespaceRequest,
    DeprecateNamespaceResponse,
    UpdateNamespaceRequest,
    UpdateNamespaceResponse,
)

from timeskip.server import deletion, namespace_registry
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, namespace_not_found
from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.namespaces import SYSTEM_NAMESPACE, Namespace
from timeskip.server.rpcs import OPERATOR_SERVICE, rpc
from timeskip.server.validation.namespaces import validate_namespace_length

_DEPRECATED = NamespaceState.NAMESPACE_STATE_DEPRECATED

#: The states in which a namespace may be put into another one.
_BEFORE = {
    _DEPRECATED: (NamespaceState.NAMESPACE_STATE_REGISTERED,),
    NamespaceState.NAMESPACE_STATE_DELETED: (
        NamespaceState.NAMESPACE_STATE_REGISTERED,
        _DEPRECATED,
    ),
}

#: How much of its id is added to the name of a namespace that is deleted.
_ID_SHOWN = 5


@rpc("UpdateNamespace")
def update_namespace(
    cluster: Cluster, call: Call, request: UpdateNamespaceRequest
) -> UpdateNamespaceResponse:
    """As on the real server, where bad binaries are shown once and kept by nobody."""
    namespace = _named(cluster, request.namespace)
    if request.promote_namespace:
        raise invalid_argument(
            "global namespace is not enabled on this cluster, cannot update global namespace or "
            f"promote local namespace: {namespace.name}"
        )
    if request.config.custom_search_attribute_aliases:
        raise ServiceError(StatusCode.UNIMPLEMENTED, "timeskip gives search attributes no aliases")
    state = request.update_info.state or namespace.state
    if state != namespace.state and namespace.state not in _BEFORE.get(state, ()):
        raise invalid_argument("Invalid namespace state update.")
    replication = request.replication_config
    namespace_registry.validate_clusters(replication.active_cluster_name, replication.clusters)
    if request.delete_bad_binary:
        raise invalid_argument(f"Bad binary checksum {request.delete_bad_binary} doesn't exists.")
    if request.config.HasField("workflow_execution_retention_ttl"):
        namespace.retention = namespace_registry.valid_retention(
            request.config.workflow_execution_retention_ttl
        )
    namespace.state = state
    namespace.description = request.update_info.description or namespace.description
    namespace.owner_email = request.update_info.owner_email or namespace.owner_email
    namespace.data.update(request.update_info.data)
    described = namespace_registry.description(cluster, namespace)
    response = UpdateNamespaceResponse(
        namespace_info=described.namespace_info,
        config=described.config,
        replication_config=described.replication_config,
    )
    for checksum, binary in request.config.bad_binaries.binaries.items():
        response.config.bad_binaries.binaries[checksum].CopyFrom(binary)
        created = response.config.bad_binaries.binaries[checksum].create_time
        created.FromNanoseconds(cluster.clock.now())
    return response


@rpc("DeprecateNamespace")
def deprecate_namespace(
    cluster: Cluster, call: Call, request: DeprecateNamespaceRequest
) -> DeprecateNamespaceResponse:
    """No new runs are started in it any more."""
    _named(cluster, request.namespace).state = _DEPRECATED
    return DeprecateNamespaceResponse()


@rpc("DeleteNamespace", OPERATOR_SERVICE)
def delete_namespace(
    cluster: Cluster, call: Call, request: DeleteNamespaceRequest
) -> DeleteNamespaceResponse:
    """All its runs are gone at once; on the real server this takes a while."""
    if request.namespace and request.namespace_id:
        raise invalid_argument("Only one of namespace name or Id should be set on request.")
    wanted = request.namespace or request.namespace_id
    if not wanted:
        raise invalid_argument("Namespace not set on request.")
    validate_namespace_length(request.namespace)
    namespace = next(
        (
            each
            for each in cluster.namespaces.values()
            if wanted == (each.name if request.namespace else each.id)
        ),
        None,
    )
    if namespace is None:
        raise namespace_not_found(wanted)
    if namespace.name == SYSTEM_NAMESPACE:
        raise ServiceError(StatusCode.FAILED_PRECONDITION, "unable to delete system namespace")
    for run in [run for run in cluster.runs.values() if run.namespace is namespace]:
        deletion.delete(cluster, run)
    del cluster.namespaces[namespace.name]
    return DeleteNamespaceResponse(
        deleted_namespace=f"{namespace.name}-deleted-{namespace.id[:_ID_SHOWN]}"
    )


def _named(cluster: Cluster, name: str) -> Namespace:
    if not name:
        raise invalid_argument("Namespace not set on request.")
    return cluster.namespace(name)
