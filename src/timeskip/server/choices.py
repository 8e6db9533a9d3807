"""Which of several orders that a real cluster could show is the one that happens."""

from __future__ import annotations

from random import Random


class FirstComeFirstServed:
    """No choice at all: everything happens in the order in which it was asked for."""

    def one_of(self, count: int) -> int:
        """The index of one of so many (one or more) that could all be next."""
        return 0

    def rank(self) -> float:
        """Of things that are due at one instant, the one with the lowest rank happens first."""
        return 0.0


class SeededChoices(FirstComeFirstServed):
    """Draws from a generator of its own, so that ids stay what they are whatever is chosen."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"choices of {seed}")

    def one_of(self, count: int) -> int:
        return self._random.randrange(count) if count > 1 else 0

    def rank(self) -> float:
        # Above 0.0, the rank of what happens in order.
        return 1.0 - self._random.random()


def choices_of(seed: int) -> FirstComeFirstServed:
    """The choices of a seed. Those of 0, the simplest seed, keep to the order of asking."""
    return SeededChoices(seed) if seed else FirstComeFirstServed()
