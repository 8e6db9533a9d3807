"""Bad requests: what the server answers, and that it changed nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine, Mapping
from typing import Any

from google.protobuf.message import Message

from tests.conformance.world import Run, World

Fields = Mapping[str, Any]
"""Fields of a request that differ from those of a good one; None leaves a field out."""

#: More than the 1000 bytes that names and ids may have.
LONG = "x" * 1001

#: A run id that no run has.
UNKNOWN_RUN_ID = "00000000-1111-4222-8333-444444444444"


def with_fields(good: Fields, bad: Fields) -> dict[str, Any]:
    """The fields of the good request, altered."""
    return {name: value for name, value in {**good, **bad}.items() if value is not None}


async def observe_refusal(world: World, call: Coroutine[Any, Any, Any], *untouched: Run) -> None:
    """Note how a request is refused, and insist that these runs did not notice."""
    with contextlib.closing(call):
        before = [await _state(world, run) for run in untouched]
        await world.observe_error("answer", call)
        after = [await _state(world, run) for run in untouched]
    assert after == before


async def _state(world: World, run: Run) -> tuple[Message, ...]:
    """Everything that a server tells of a run: its history, open tasks, timers and activities."""
    description = await world.describe(run)
    # The real server lists them in any order.
    description.pending_activities.sort(key=lambda activity: activity.activity_id)
    return await world.history(run), description
