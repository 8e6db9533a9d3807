"""Leaves out the SDK's passes over payloads that would find nothing to do.

For each activation the SDK goes six times through all payloads, three times each way, and asks the
workflow about each. That is for codecs and external storage, and a fifth of what a replay costs. With
a converter that has neither it need not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import temporalio.bridge.worker
from temporalio.converter import DataConverter

try:
    from temporalio.converter import _extstore
    from temporalio.converter._extstore import StorageOperationMetrics
    from temporalio.worker._workflow import _CommandAwareDataConverter
except ImportError:  # another version, which goes its own ways
    _KNOWN = False
else:
    _KNOWN = True
    #: In one of these ways a payload says that it is kept elsewhere: the SDK has to see it. Which
    #: ways there are depends on the version.
    _REFERENCES = tuple(
        mark.encode() if isinstance(mark, str) else mark
        for name, mark in vars(_extstore).items()
        if name.startswith("_REFERENCE_") and isinstance(mark, (str, bytes))
    )

_Pass = Callable[..., Awaitable[Any]]

#: Workers of other environments stay as they are.
_is_spared = ContextVar("timeskip_passes_are_spared", default=False)


def leave_payloads_alone() -> None:
    """For a worker that runs in this context: no payload is passed through a converter that would
    not change it.
    """
    _install()
    _is_spared.set(True)


def _install() -> None:
    worker: Any = temporalio.bridge.worker
    if _KNOWN and not hasattr(worker.decode_activation, "timeskip"):
        worker.decode_activation = _decoding(worker.decode_activation)
        worker.encode_completion = _encoding(worker.encode_completion)
        made: Any = _CommandAwareDataConverter
        made.create = staticmethod(_creating(made.create))


def leaves_alone(converter: DataConverter, serialized: bytes) -> bool:
    """Whether no payload of an activation, or of the answer to it, need be passed through."""
    return _KNOWN and _changes_nothing(converter) and not _refers(serialized)


def _refers(serialized: bytes) -> bool:
    return any(mark in serialized for mark in _REFERENCES)


def _decoding(decode: _Pass) -> _Pass:
    async def decode_activation(
        activation: Any, data_converter: DataConverter, *arguments: Any, **options: Any
    ) -> Any:
        if _is_in_vain(data_converter) and not _refers(activation.SerializeToString()):
            return StorageOperationMetrics()
        return await decode(activation, data_converter, *arguments, **options)

    decode_activation.timeskip = True  # type: ignore[attr-defined]
    return decode_activation


def _encoding(encode: _Pass) -> _Pass:
    async def encode_completion(
        completion: Any, data_converter: DataConverter, *arguments: Any, **options: Any
    ) -> Any:
        if _is_in_vain(data_converter):
            return StorageOperationMetrics()
        return await encode(completion, data_converter, *arguments, **options)

    return encode_completion


def _creating(create: Callable[..., DataConverter]) -> Callable[..., DataConverter]:
    """Makes no converter that asks a workflow about each payload where none is passed to it."""

    def create_if_asked(
        *, context_free_dc: DataConverter, workflow_context_dc: DataConverter, **options: Any
    ) -> DataConverter:
        if workflow_context_dc is context_free_dc and _is_in_vain(context_free_dc):
            return context_free_dc
        return create(
            context_free_dc=context_free_dc, workflow_context_dc=workflow_context_dc, **options
        )

    return create_if_asked


def _is_in_vain(converter: DataConverter) -> bool:
    return _is_spared.get() and _changes_nothing(converter)


def _changes_nothing(converter: DataConverter) -> bool:
    """Whether what the SDK calls for each payload would hand it back."""
    if type(converter) is _CommandAwareDataConverter:
        converter = converter._ca_context_free_dc
    return (
        type(converter) is DataConverter
        and converter.payload_codec is None
        and converter.external_storage is None
    )
