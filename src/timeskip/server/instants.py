"""Instants in messages: what `Timestamp.FromNanoseconds` does, without its checks.

They cost more than all the rest of it, and virtual time is never far from the years they allow.
"""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from timeskip.clock import SECOND, Nanoseconds


def show(timestamp: Timestamp, moment: Nanoseconds) -> None:
    """Let the timestamp say `moment`, in nanoseconds since the epoch."""
    timestamp.seconds = moment // SECOND
    timestamp.nanos = moment % SECOND
