"""Whether the test is about to complete an activity that its worker has left open.

`activity.raise_complete_async` leaves it to somebody else: a task of the test that sleeps for a while, or
a thread, such as those of the SDK's own examples. While one is about, time goes along with it rather than
jump over its activity's timeouts for whoever waits for the workflow's result.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from timeskip.lanes.idle_tests import Idleness, IdleTests
from timeskip.server.cluster import Cluster

#: Real seconds without a heartbeat after which nobody is expected to complete the activities any more.
_PATIENCE = 10.0


class Completers:
    """Those who may complete the activities of one service that are `left_open`, by their tokens."""

    def __init__(self, cluster: Cluster) -> None:
        self.left_open: set[bytes] = set()
        #: How long they sleep.
        self.sleeps = IdleTests()
        self._cluster = cluster
        self._known: frozenset[tuple[bytes, int | None]] = frozenset()
        self._patience = _PATIENCE

    def are_needed(self) -> bool:
        """Whether there are such activities, and somebody may still do something about them."""
        if not self.left_open:
            return False
        started = self._cluster.started_activities
        self.left_open = {token for token in self.left_open if token in started}
        known = frozenset((token, started[token].heartbeat_time) for token in self.left_open)
        if known != self._known:
            self._known = known
            self._patience = _PATIENCE
        return bool(known) and self._patience > 0

    def among(self, idle: Iterable[Idleness]) -> list[Idleness]:
        """Those loops on which somebody sleeps, or for which threads work, and nothing else of them."""
        return [
            replace(each, next_timer=each.next_sleep, may_have_news=each.threads_work)
            for each in idle
            if each.next_sleep is not None or each.threads_work
        ]

    def waited(self, seconds: float) -> None:
        """They were waited for so long."""
        self.sleeps.waited(seconds)
        self._patience -= seconds
