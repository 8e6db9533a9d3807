"""Why two histories are not equal, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Callable

from timeskip.histories.comparison import Difference
from timeskip.histories.history import History

_LEAST_WIDTH = 40
_BEFORE_THE_DIFFERENCE = 20


def explain_inequality(
    actual: History, expected: History, *, width: int = 80, colour: bool = False
) -> list[str]:
    """Lines that tell the first difference, both sides, and what is the same before it.

    Args:
        actual, expected: Two histories; what they are called is "expected" and "actual".
        width: Columns. Longer values are cut around the place where they begin to differ.
        colour: Whether to mark the sides with the terminal's colours.
    """
    if actual.terms != expected.terms:
        return [
            "The two histories are to be compared on different terms:",
            f"  expected: {expected.terms}",
            f"  actual:   {actual.terms}",
        ]
    difference = actual.difference_from(expected)
    if difference is None:
        return ["The histories are equal."]
    return difference_lines(difference, width=width, colour=colour)


def difference_lines(difference: Difference, *, width: int = 80, colour: bool = False) -> list[str]:
    """The difference as lines, as `explain_inequality` tells it."""
    width = max(width, _LEAST_WIDTH)
    room = width - len("    expected: ")
    expected, actual = cut_alike(difference.expected, difference.actual, room)
    green, red, dim, bold = map(_style if colour else _no_style, ("32", "31", "2", "1"))
    lines = [difference.headline]
    if difference.path:
        lines.append(bold(f"  {difference.path}"))
    lines += [f"    expected: {green(expected)}", f"    actual:   {red(actual)}"]
    if difference.before:
        before = _cut(difference.before, 0, width - len("  the same before it: "))
        lines.append(dim(f"  the same before it: {before}"))
    return lines


def cut_alike(left: str, right: str, room: int) -> tuple[str, str]:
    """Both in so many columns, with the place where they begin to differ."""
    same = next(
        (i for i, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]),
        min(len(left), len(right)),
    )
    longest = max(len(left), len(right))
    start = 0 if longest <= room else max(0, min(same - _BEFORE_THE_DIFFERENCE, longest - room))
    return _cut(left, start, room), _cut(right, start, room)


def _cut(text: str, start: int, room: int) -> str:
    cut = f"…{text[start + 1 :]}" if start else text
    return cut if len(cut) <= room else f"{cut[: room - 1]}…"


def _style(code: str) -> Callable[[str], str]:
    return lambda text: f"\x1b[{code}m{text}\x1b[0m"


def _no_style(code: str) -> Callable[[str], str]:
    return lambda text: text
