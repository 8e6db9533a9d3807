"""Leaves out the SDK's passes over payloads that would find nothing to do.

For each activation the SDK goes six times through all payloads, three times each way, and asks the
workflow about each. That is for codecs and external storage, and a fifth of what a replay costs. A
replay without either need not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import temporalio.bridge.worker
from temporalio.converter import DataConverter

try:
    from temporalio.converter._extstore import (
        _REFERENCE_ENCODING,
        _REFERENCE_MARKER_KEY,
        _REFERENCE_MESSAGE_TYPE,
        StorageOperationMetrics,
    )
except ImportError:  # another version, which goes its own ways
    _KNOWN = False
else:
    _KNOWN = True
    #: In one of these ways a payload says that it is kept elsewhere: the SDK has to see it.
    _REFERENCES = (_REFERENCE_ENCODING, _REFERENCE_MESSAGE_TYPE, _REFERENCE_MARKER_KEY.encode())

_Pass = Callable[..., Awaitable[Any]]

_nothing_to_do = ContextVar("timeskip_payloads_as_they_are", default=False)


def leave_payloads_alone(converter: DataConverter) -> None:
    """In this context no payload is passed through a converter that would not change it."""
    if (
        _KNOWN
        and type(converter) is DataConverter
        and converter.payload_codec is None
        and converter.external_storage is None
    ):
        _install()
        _nothing_to_do.set(True)


def _install() -> None:
    worker: Any = temporalio.bridge.worker
    if not hasattr(worker.decode_activation, "timeskip"):
        worker.decode_activation = _decoding(worker.decode_activation)
        worker.encode_completion = _encoding(worker.encode_completion)


def _decoding(decode: _Pass) -> _Pass:
    async def decode_activation(activation: Any, *arguments: Any, **options: Any) -> Any:
        if _nothing_to_do.get():
            serialized = activation.SerializeToString()
            if not any(mark in serialized for mark in _REFERENCES):
                return StorageOperationMetrics()
        return await decode(activation, *arguments, **options)

    decode_activation.timeskip = True  # type: ignore[attr-defined]
    return decode_activation


def _encoding(encode: _Pass) -> _Pass:
    async def encode_completion(*arguments: Any, **options: Any) -> Any:
        if _nothing_to_do.get():
            return StorageOperationMetrics()
        return await encode(*arguments, **options)

    return encode_completion
