"""Nexus endpoints: the names under which workflows reach the workers of a task queue."""

from __future__ import annotations

from bisect import bisect_right

from temporalio.api.nexus.v1 import Endpoint, EndpointSpec
from temporalio.api.operatorservice.v1 import (
    CreateNexusEndpointRequest,
    CreateNexusEndpointResponse,
    DeleteNexusEndpointRequest,
    DeleteNexusEndpointResponse,
    GetNexusEndpointRequest,
    GetNexusEndpointResponse,
    ListNexusEndpointsRequest,
    ListNexusEndpointsResponse,
    UpdateNexusEndpointRequest,
    UpdateNexusEndpointResponse,
)

from timeskip.server import tokens
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.rpcs import OPERATOR_SERVICE, rpc
from timeskip.server.validation.nexus_endpoints import (
    validate_endpoint,
    validate_endpoint_id,
    validate_page_size,
)

_DEFAULT_PAGE_SIZE = 100


@rpc("CreateNexusEndpoint", OPERATOR_SERVICE)
def create_endpoint(
    cluster: Cluster, call: Call, request: CreateNexusEndpointRequest
) -> CreateNexusEndpointResponse:
    _validate(cluster, request.spec)
    if endpoint_named(cluster, request.spec.name) is not None:
        raise ServiceError(
            StatusCode.ALREADY_EXISTS,
            "error creating Nexus endpoint. "
            f"Endpoint with name {request.spec.name} already registered",
        )
    endpoint_id = cluster.ids.uuid()
    endpoint = Endpoint(
        id=endpoint_id,
        version=1,
        spec=request.spec,
        url_prefix=f"/nexus/endpoints/{endpoint_id}/services",
    )
    endpoint.created_time.FromNanoseconds(cluster.clock.now())
    cluster.nexus_endpoints[endpoint_id] = endpoint
    return CreateNexusEndpointResponse(endpoint=endpoint)


@rpc("UpdateNexusEndpoint", OPERATOR_SERVICE)
def update_endpoint(
    cluster: Cluster, call: Call, request: UpdateNexusEndpointRequest
) -> UpdateNexusEndpointResponse:
    """As on the real server the new name may be that of another endpoint."""
    _validate(cluster, request.spec)
    before = cluster.nexus_endpoints.get(request.id)
    if before is None:
        raise not_found(f"error updating Nexus endpoint. endpoint ID {request.id} not found")
    if request.version != before.version:
        raise ServiceError(
            StatusCode.FAILED_PRECONDITION,
            "nexus endpoint version mismatch. "
            f"received: {request.version} expected {before.version}",
        )
    # The real server does not tell any more when it was created.
    endpoint = Endpoint(
        id=before.id,
        version=before.version + 1,
        spec=request.spec,
        url_prefix=before.url_prefix,
    )
    endpoint.last_modified_time.FromNanoseconds(cluster.clock.now())
    cluster.nexus_endpoints[before.id] = endpoint
    return UpdateNexusEndpointResponse(endpoint=endpoint)


@rpc("DeleteNexusEndpoint", OPERATOR_SERVICE)
def delete_endpoint(
    cluster: Cluster, call: Call, request: DeleteNexusEndpointRequest
) -> DeleteNexusEndpointResponse:
    """A version has to be named, but as on the real server any will do."""
    validate_endpoint_id(request.id, request.version)
    if cluster.nexus_endpoints.pop(request.id, None) is None:
        raise not_found(f"error deleting nexus endpoint with ID: {request.id}")
    return DeleteNexusEndpointResponse()


@rpc("GetNexusEndpoint", OPERATOR_SERVICE)
def get_endpoint(
    cluster: Cluster, call: Call, request: GetNexusEndpointRequest
) -> GetNexusEndpointResponse:
    validate_endpoint_id(request.id)
    endpoint = cluster.nexus_endpoints.get(request.id)
    if endpoint is None:
        raise not_found(f"Nexus endpoint with ID `{request.id}` not found")
    return GetNexusEndpointResponse(endpoint=endpoint)


@rpc("ListNexusEndpoints", OPERATOR_SERVICE)
def list_endpoints(
    cluster: Cluster, call: Call, request: ListNexusEndpointsRequest
) -> ListNexusEndpointsResponse:
    """Who asks for a name is not asked for pages."""
    if request.name:
        named = endpoint_named(cluster, request.name)
        return ListNexusEndpointsResponse(endpoints=[] if named is None else [named])
    validate_page_size(request.page_size)
    ids = sorted(cluster.nexus_endpoints)
    begin = bisect_right(ids, _last_id(request.next_page_token)) if request.next_page_token else 0
    end = begin + (request.page_size or _DEFAULT_PAGE_SIZE)
    shown = ids[begin:end]
    return ListNexusEndpointsResponse(
        endpoints=[cluster.nexus_endpoints[each] for each in shown],
        next_page_token=tokens.page(shown[-1]) if end < len(ids) else b"",
    )


def endpoint_named(cluster: Cluster, name: str) -> Endpoint | None:
    """The endpoint of that name, if there is one."""
    return next((each for each in cluster.nexus_endpoints.values() if each.spec.name == name), None)


def _validate(cluster: Cluster, spec: EndpointSpec) -> None:
    validate_endpoint(spec, cluster.namespace)


def _last_id(page_token: bytes) -> str:
    try:
        (last_id,) = tokens.parse_page(page_token, (str,))
    except ServiceError:
        raise ServiceError(StatusCode.INTERNAL, "error listing Nexus endpoints") from None
    return str(last_id)
