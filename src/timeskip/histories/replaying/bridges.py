"""Says through what a `temporalio.worker.Replayer` reaches the core, or what it takes for it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import temporalio.bridge.worker

#: From a runtime and a worker's configuration the worker, and what histories are pushed into.
MakeBridge = Callable[[Any, Any], tuple[Any, Any]]

#: The SDK's own.
bridge_to_core: MakeBridge = temporalio.bridge.worker.Worker.for_replay

_make: ContextVar[MakeBridge] = ContextVar("timeskip_replay_bridge", default=bridge_to_core)


def use_bridge(make: MakeBridge) -> None:
    """Have a `Replayer` that is used in this context make its bridge like that."""
    temporalio.bridge.worker.Worker.for_replay = staticmethod(_for_replay)  # type: ignore[method-assign]
    _make.set(make)


def _for_replay(runtime: Any, config: Any) -> tuple[Any, Any]:
    return _make.get()(runtime, config)
