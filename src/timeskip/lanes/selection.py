"""Which lane a simulation takes. Where the direct one does not fit the installed SDK, wire does."""

from __future__ import annotations

import functools
import importlib.metadata
import warnings
from collections.abc import Callable
from typing import Literal

from timeskip.errors import DirectLaneUnavailable
from timeskip.lanes.lane import Lane

LaneName = Literal["wire", "direct"]


def select(name: LaneName) -> tuple[LaneName, Callable[..., Lane]]:
    """The lane to take when `name` is asked for, and what makes it.

    Raises `ValueError` if there is no such lane. Warns, once for each place in the code that asks,
    with `DirectLaneUnavailable`, if it has to be another one.
    """
    if name == "wire":
        return "wire", _wire()
    if name != "direct":
        raise ValueError(f"there is no lane {name!r}; choose 'wire' or 'direct'")
    found, differences = _direct()
    if found is not None:
        return "direct", found
    warnings.warn(
        "timeskip's direct lane does not fit the installed temporalio "
        f"{importlib.metadata.version('temporalio')}, so the slower wire lane is used: "
        f"{'; '.join(differences)}. Upgrade timeskip, or choose lane='wire' to silence this.",
        DirectLaneUnavailable,
        stacklevel=3,
    )
    return "wire", _wire()


def _wire() -> Callable[..., Lane]:
    # gRPC is large; only those who want it pay for its import.
    from timeskip.lanes.wire import WireServer

    return WireServer


@functools.cache
def _direct() -> tuple[Callable[..., Lane] | None, list[str]]:
    try:
        from timeskip.lanes.direct.sdk_shape import differences

        found = differences()
        if found:
            return None, found
        # The simulated core is a third of this package; only those who want it pay for its import.
        from timeskip.lanes.direct.lane import DirectLane
    except (ImportError, AttributeError) as error:
        # A name that has moved, in a version of the SDK that nobody knows yet.
        return None, [str(error)]
    return DirectLane, []
