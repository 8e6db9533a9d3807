"""Loops, told by their first and last round."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from timeskip.timeline.moments import Moment
from timeskip.timeline.vocabulary import Mood

_LONGEST_ROUND = 8
_FEWEST_ROUNDS = 4


@dataclass(frozen=True)
class Rounds:
    """Rounds left out, all alike but for their times and values."""

    count: int
    round: tuple[Moment, ...]


def fold_cycles(moments: Sequence[Moment]) -> Iterator[Moment | Rounds]:
    """Replaces the inner rounds of every loop of four rounds or more; all else passes unchanged."""
    shapes = [_shape(moment) for moment in moments]
    start = 0
    while start < len(moments):
        length, count = _longest_cycle(shapes, start)
        if count < _FEWEST_ROUNDS:
            yield moments[start]
            start += 1
            continue
        first_end, last_start = start + length, start + length * (count - 1)
        end = last_start + length
        yield from moments[start:first_end]
        yield Rounds(count - 2, tuple(moments[start:first_end]))
        yield from moments[last_start:end]
        start = end


def _shape(moment: Moment) -> tuple[str, str, Mood, bool]:
    """What two moments share if they are the same step of a loop."""
    line = moment.line
    return line.kind, line.subject, line.mood, bool(moment.earlier_failure)


def _longest_cycle(shapes: Sequence[object], start: int) -> tuple[int, int]:
    """The length of a round and the count of rounds that cover the most from here on."""
    cycles = [
        (length, _count_rounds(shapes, start, length)) for length in range(1, _LONGEST_ROUND + 1)
    ]
    return max(cycles, key=lambda cycle: (cycle[0] * cycle[1] if cycle[1] > 1 else 0, -cycle[0]))


def _count_rounds(shapes: Sequence[object], start: int, length: int) -> int:
    count = 1
    while (
        shapes[start : start + length]
        == shapes[start + length * count : start + length * (count + 1)]
    ):
        count += 1
    return count
