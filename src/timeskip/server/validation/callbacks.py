"""Callbacks that a start wants called when its run has closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from temporalio.api.common.v1 import Callback

from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.validation.limits import byte_length

_MAX_URL_LENGTH: Final = 1000
_MAX_HEADER_SIZE: Final = 8192

_OF_NEXUS: Final = "temporal://"


def validate_callbacks(callbacks: Sequence[Callback]) -> None:
    """Refuse callbacks as the real server does, where no address may be called unless configured.

    Those by which the server itself continues a Nexus operation are UNIMPLEMENTED.
    """
    for callback in callbacks:
        variant = callback.WhichOneof("variant")
        if variant == "internal":
            raise invalid_argument("unsupported callback variant: *common.Callback_Internal_")
        if variant != "nexus":
            raise ServiceError(StatusCode.UNIMPLEMENTED, "unknown callback variant: <nil>")
        _validate_nexus(callback.nexus)


def _validate_nexus(callback: Callback.Nexus) -> None:
    if byte_length(callback.url) > _MAX_URL_LENGTH:
        raise invalid_argument(
            f"invalid url: url length longer than max length allowed of {_MAX_URL_LENGTH}"
        )
    if callback.url.startswith(("http://", "https://")):
        raise invalid_argument(
            f"invalid url: url does not match any configured callback address: {callback.url}"
        )
    if not callback.url.startswith(_OF_NEXUS):
        raise invalid_argument(f"invalid url: unknown scheme: {callback.url}")
    size = sum(byte_length(name) + byte_length(value) for name, value in callback.header.items())
    if size > _MAX_HEADER_SIZE:
        raise invalid_argument(
            f"invalid header: header size longer than max allowed size of {_MAX_HEADER_SIZE}"
        )
    raise ServiceError(StatusCode.UNIMPLEMENTED, "timeskip does not know callbacks of Nexus yet")
