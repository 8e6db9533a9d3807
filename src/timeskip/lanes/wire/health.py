"""gRPC's own health service, for whoever waits until a server is up."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from timeskip.lanes.wire.grpc_server import Handler, Rpc
from timeskip.server.errors import StatusCode

SERVICE: str = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_Response = health_pb2.HealthCheckResponse


def handlers(services: frozenset[str]) -> dict[str, Handler]:
    """The methods of the health service by their paths. `services` are well, and so is the server."""
    well = services | {""}

    def check(rpc: Rpc, data: bytes) -> None:
        service = _service(data)
        if service in well:
            rpc.answer(_Response(status=_Response.SERVING).SerializeToString())
        else:
            rpc.refuse(StatusCode.NOT_FOUND, "unknown service")

    def watch(rpc: Rpc, data: bytes) -> None:
        rpc.watch(lambda: None)  # nothing will change
        status = _Response.SERVING if _service(data) in well else _Response.SERVICE_UNKNOWN
        rpc.send(_Response(status=status).SerializeToString())

    return {f"/{SERVICE}/Check": check, f"/{SERVICE}/Watch": watch}


def _service(data: bytes) -> str | None:
    try:
        name: str = health_pb2.HealthCheckRequest.FromString(data).service
    except DecodeError:
        return None
    return name
