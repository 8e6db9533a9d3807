"""Whether the service is up, as gRPC's health service would say."""

from __future__ import annotations

from temporalio.bridge.proto.health.v1 import HealthCheckRequest, HealthCheckResponse

from timeskip.server.errors import ServiceError, StatusCode


def check(request: HealthCheckRequest, healthy: frozenset[str]) -> HealthCheckResponse:
    """The state of one of the `healthy` services, or of all if the request names none.

    Raises `ServiceError` with NOT_FOUND for a service that there is not.
    """
    if request.service and request.service not in healthy:
        raise ServiceError(StatusCode.NOT_FOUND, "unknown service")
    return HealthCheckResponse(status=HealthCheckResponse.SERVING)
