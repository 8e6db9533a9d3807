"""An error of the service as gRPC clients see it."""

from __future__ import annotations

from google.rpc.status_pb2 import Status

from timeskip.server.errors import ServiceError

_TYPE_URL = "type.googleapis.com/"


def status_of(error: ServiceError) -> Status:
    """The `google.rpc.Status` with the error's details."""
    status = Status(code=int(error.code), message=error.message)
    for detail in error.details:
        status.details.add().Pack(detail, type_url_prefix=_TYPE_URL)
    return status
