"""Samples, and what they say together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Sample:
    """One measurement of one peer."""

    seconds: float
    """Real time for each unit asked for: a workflow, a round of a loop, a start."""
    asked: int = 1
    right: int = 1
    """How many of those asked for ended with the right answer before the time limit."""

    @property
    def complete(self) -> bool:
        """Whether all ended right. The time of an incomplete sample means nothing."""
        return self.right == self.asked


@dataclass
class Comparison:
    """One benchmark's samples of each peer, in order of rounds."""

    title: str
    sandboxed: bool | None = None
    """None where no workflow runs."""
    alone: str | None = None
    """The title of the benchmark that runs the same workflows one after another."""
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def add(self, peer: str, sample: Sample) -> None:
        """Takes the sample of the next round."""
        self.samples.setdefault(peer, []).append(sample)

    def median_seconds(self, peer: str) -> float | None:
        """The median real time for each unit; None if the peer left anything unfinished."""
        taken = self.samples.get(peer, [])
        if not taken or not all(sample.complete for sample in taken):
            return None
        return median(sample.seconds for sample in taken)

    def least_right(self, peer: str) -> Sample | None:
        """The sample with the fewest right answers."""
        return min(self.samples.get(peer, []), key=lambda sample: sample.right, default=None)

    def speedup(self, baseline: str, peer: str) -> float | None:
        """How many times as fast as the baseline, by the median over rounds."""
        if self.median_seconds(baseline) is None or self.median_seconds(peer) is None:
            return None
        return median(_ratios(self.samples[baseline], self.samples[peer]))


def _ratios(numerators: Sequence[Sample], denominators: Sequence[Sample]) -> list[float]:
    pairs = zip(numerators, denominators, strict=False)
    return [numerator.seconds / denominator.seconds for numerator, denominator in pairs]
