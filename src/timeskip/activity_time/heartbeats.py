"""Hands an activity's heartbeats on so that the server is known to have heard the latest.

The SDK's core sends one heartbeat of an attempt at a time, and of those that come meanwhile only
the latest, after a throttle interval of real time. A clock that jumps thirty seconds in a
millisecond must not do so before a heartbeat has arrived. But how many requests the core makes of
a number of heartbeats cannot be told from outside.

So the same thinning happens here, one step earlier. A heartbeat goes on to the core only when the
server has answered the one before; of those that come meanwhile the latest is kept. With a throttle
interval of zero the core then makes exactly one request of each. The attempt holds the clock from
the first heartbeat until the server has answered and nothing is kept; but not while the answer is
known to be late, because a fault has delayed it.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

from timeskip.activity_time.attempt import Attempt


class HeartbeatRelay:
    """The heartbeats of one attempt. Except `answered`, for the event loop's thread only."""

    def __init__(self, attempt: Attempt, send: Callable[..., None]) -> None:
        self._attempt = attempt
        self._send = send
        self._under_way = False
        self._kept: Callable[[], None] | None = None

    def heartbeat(self, *details: Any) -> None:
        """Send these details, now or when the heartbeat under way has been answered."""
        if self._attempt.running.is_local:
            # The server knows nothing of the attempt, so the core drops it: no answer will come.
            self._send(*details)
            return
        context = contextvars.copy_context()

        def send() -> None:
            context.run(self._send, *details)

        if self._under_way:
            self._kept = send
        else:
            self._under_way = True
            self._attempt.hold(self)
            send()

    def is_late(self) -> None:
        """The answer to the heartbeat under way takes virtual time. For any thread."""
        self._attempt.release(self)

    def answered(self) -> None:
        """The server has answered the heartbeat under way. For any thread."""
        self._attempt.bring(self._go_on)

    def flush(self) -> None:
        """The activity ends: what is kept goes to the core, which adds it to a failure."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept()

    def give_up(self) -> None:
        """Wait for no answer any more. After a cancellation there may be none."""
        self.flush()
        self._under_way = False
        self._attempt.release(self)

    def _go_on(self) -> None:
        if self._kept is not None:
            self._attempt.hold(self)
            self.flush()
        else:
            self._under_way = False
            self._attempt.release(self)

    def __str__(self) -> str:
        return "the server has not heard its latest heartbeat"
