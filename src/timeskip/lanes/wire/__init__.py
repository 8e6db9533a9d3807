"""The wire lane: the service behind real gRPC on 127.0.0.1."""

from timeskip.lanes.time_keeper import Grace
from timeskip.lanes.wire.server import NoThreads, WireServer

__all__ = ["Grace", "NoThreads", "WireServer"]
