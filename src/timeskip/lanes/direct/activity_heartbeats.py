"""Heartbeats of activities: the latest details, sent no more often than the server needs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from temporalio.api.common.v1 import Payload, Payloads

from timeskip.clock import DueTime, Nanoseconds
from timeskip.lanes.direct.requests import Requests


class ActivityHeartbeats:
    """The heartbeats of one attempt.

    The first is sent at once; of those that come within `throttle` after one was sent, the latest
    is sent when that time is over.
    """

    def __init__(
        self,
        requests: Requests,
        throttle: Nanoseconds,
        send: Callable[[Payloads | None], None],
    ) -> None:
        self._requests = requests
        self._throttle = throttle
        self._send = send
        self._pause: DueTime | None = None
        self._is_paused = False
        self._kept = False
        #: What the activity said last, whether it was sent or not.
        self.latest: Payloads | None = None

    def beat(self, details: Sequence[Payload]) -> None:
        """The activity is alive, and has got so far."""
        self.latest = Payloads(payloads=details) if details else None
        if self._is_paused:
            self._kept = True
        else:
            self._send_latest()

    def flush(self) -> None:
        """Send what has been kept back."""
        if self._kept:
            self._kept = False
            self._send(self.latest)

    def stop(self) -> None:
        """The attempt is over."""
        if self._pause is not None:
            self._pause.cancel()

    def _send_latest(self) -> None:
        self._kept = False
        if self._throttle:
            self._is_paused = True
            self._pause = self._requests.after(self._throttle, self._pause_is_over)
        self._send(self.latest)

    def _pause_is_over(self) -> None:
        self._is_paused = False
        if self._kept:
            self._send_latest()
