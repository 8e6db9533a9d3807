"""The hooks of timeskip, for plugins of your own.

A plugin is a module or an object with functions marked `@timeskip.hookspecs.hookimpl`: one that an
installed distribution names in its entry-point group `timeskip`, a `conftest.py` (for the tests beside
and below it), or one given to `plugins().register(...)`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import History

if TYPE_CHECKING:
    from timeskip.faults import Verdict

__all__ = [
    "hookimpl",
    "plugins",
    "timeskip_faults",
    "timeskip_normalise_history",
    "timeskip_redact_history",
    "timeskip_render_payload",
]

hookspec = pluggy.HookspecMarker("timeskip")

hookimpl = pluggy.HookimplMarker("timeskip")
"""Marks a function that implements one of the hooks below."""


@hookspec
def timeskip_normalise_history(history: History) -> None:
    """Take out of the history, in place, what shall not matter when histories are compared.

    It is in normal form already, its payloads are decoded. Doing it twice must change nothing.
    """


@hookspec
def timeskip_redact_history(history: History) -> None:
    """Replace secrets in the history, in place.

    Called before a history is written to a file, with the payloads as they were recorded, and before
    histories are compared, with the payloads decoded. Doing it twice must change nothing.
    """


@hookspec(firstresult=True)
def timeskip_render_payload(payload: Payload) -> str | None:
    """One line that tells a payload to a person, or None to leave it to others."""


@hookspec
def timeskip_faults() -> Iterable[type[Verdict]]:
    """Further kinds of faults: classes derived from `timeskip.faults.Verdict`, each with a name."""
    return ()


@functools.cache
def plugins() -> pluggy.PluginManager:
    """All plugins of timeskip in this process."""
    manager = pluggy.PluginManager("timeskip")
    manager.add_hookspecs(sys.modules[__name__])
    manager.load_setuptools_entrypoints("timeskip")
    return manager
