"""The one seeded source of identifiers and randomness.

Everything random in a simulation comes from here, so that one seed gives one history.
"""

from __future__ import annotations

from random import Random


class Identifiers:
    """Run ids, request ids and namespace ids, reproducible from `seed`."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        #: Grows with every event.
        self.last_task_id = 1_048_576

    def uuid(self) -> str:
        """A version 4 UUID, as the service uses for run and request ids."""
        bits = self.random.getrandbits(128)
        bits = bits & ~(0xF << 76) | (0x4 << 76)
        bits = bits & ~(0x3 << 62) | (0x2 << 62)
        text = f"{bits:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def task_id(self) -> int:
        """A number that only grows, as the service gives to each event that it stores."""
        self.last_task_id += 1
        return self.last_task_id
