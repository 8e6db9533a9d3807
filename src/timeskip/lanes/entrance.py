"""How other processes reach the service of a lane."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

#: Goes with each call of a worker process. Its value is no other process's.
PASS_KEY = "timeskip-pass-key"


@dataclass(frozen=True)
class Entrance:
    """Where they find it, and who is not let in.

    Attributes:
        address: Host and port of a gRPC server.
        dead: The pass keys of processes that are dead. What they have sent before may still be on
            its way.
    """

    address: str
    dead: set[str] = field(default_factory=set)

    def refuses(self, metadata: Iterable[tuple[str, str | bytes]]) -> bool:
        """Whether a call with this metadata is of a process that is dead."""
        return bool(self.dead) and any(
            key == PASS_KEY and value in self.dead for key, value in metadata
        )
