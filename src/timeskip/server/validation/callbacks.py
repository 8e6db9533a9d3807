"""Callbacks that a start wants called when its run has closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from temporalio.api.common.v1 import Callback

from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.validation.limits import byte_length

_MAX_URL_LENGTH: Final = 1000
_MAX_HEADER_SIZE: Final = 8192

_MAX_CALLBACKS: Final = 2000

#: Where the server itself takes the results of Nexus operations.
SYSTEM_URL: Final = "temporal://system"


def validate_callbacks(callbacks: Sequence[Callback]) -> None:
    """Refuse callbacks as the real server does, where no address may be called unless configured.

    The headers of the others are brought to lower case.
    """
    limit_callbacks(len(callbacks))
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
    if callback.url != SYSTEM_URL:
        raise invalid_argument(f"invalid url: unknown scheme: {callback.url}")
    size = sum(byte_length(name) + byte_length(value) for name, value in callback.header.items())
    if size > _MAX_HEADER_SIZE:
        raise invalid_argument(
            f"invalid header: header size longer than max allowed size of {_MAX_HEADER_SIZE}"
        )
    header = {name.lower(): value for name, value in callback.header.items()}
    callback.header.clear()
    callback.header.update(header)


def limit_callbacks(count: int) -> None:
    """Refuse more callbacks than a run may have."""
    if count > _MAX_CALLBACKS:
        raise invalid_argument(
            f"cannot attach more than {_MAX_CALLBACKS} callbacks to an execution"
        )
