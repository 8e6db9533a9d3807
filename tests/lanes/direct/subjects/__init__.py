"""Workflows whose recorded histories hold every kind of event that a worker has to replay.

Each is small, and many differ in one thing only, because every history is also replayed with
workflows that did not make it. None takes an argument.
"""

from __future__ import annotations

from types import ModuleType

from tests.lanes.direct.subjects import (
    endings,
    errands,
    families,
    local_errands,
    messages,
    patched,
)

_MODULES: tuple[ModuleType, ...] = (errands, local_errands, patched, families, messages, endings)

WORKFLOWS: list[type] = [
    thing
    for module in _MODULES
    for thing in vars(module).values()
    if isinstance(thing, type)
    and thing.__module__ == module.__name__
    and hasattr(thing, "__temporal_workflow_definition")
]
