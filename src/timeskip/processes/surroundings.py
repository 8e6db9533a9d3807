"""What a process gets from the one that starts it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

#: Pytest tells by it which test is running.
_OF_ONE_TEST = "PYTEST_CURRENT_TEST"


@dataclass(frozen=True)
class Surroundings:
    """Where modules are looked for, the environment, and the working directory."""

    path: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str

    @staticmethod
    def of_this_process() -> Surroundings:
        """As they are now."""
        return Surroundings(tuple(map(str, sys.path)), dict(os.environ), os.getcwd())

    def are_like(self, other: Surroundings) -> bool:
        """Whether one process does for both."""
        return (self.path, self.directory, self._lasting()) == (
            other.path,
            other.directory,
            other._lasting(),
        )

    def _lasting(self) -> dict[str, str]:
        return {name: told for name, told in self.environment.items() if name != _OF_ONE_TEST}
