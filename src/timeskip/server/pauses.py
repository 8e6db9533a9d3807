"""What is remembered of a pause, be it of an activity or of a whole run."""

from __future__ import annotations

from typing import NamedTuple

from timeskip.clock import Nanoseconds


class Pause(NamedTuple):
    """Since when something is paused, who paused it and why."""

    since: Nanoseconds
    identity: str
    reason: str
    request_id: str
