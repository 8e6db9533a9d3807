"""Spans of virtual time in one word: `1h30m`, `250ms`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
    "us": timedelta(microseconds=1),
}

_PART = re.compile(r"(\d+(?:\.\d+)?)(d|h|ms|us|m|s)")


def duration_text(duration: timedelta) -> str:
    """The shortest word for a duration that is not negative."""
    if not duration:
        return "0s"
    parts = []
    for unit, length in _UNITS.items():
        count, duration = divmod(duration, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_duration(text: str) -> timedelta:
    """The duration that a word stands for; `ValueError` if it is none."""
    rest, total = text, timedelta()
    while rest:
        part = _PART.match(rest)
        if part is None:
            break
        total += (
            float(part[1]) * _UNITS[part[2]] if "." in part[1] else int(part[1]) * _UNITS[part[2]]
        )
        rest = rest[part.end() :]
    if rest or not text:
        raise ValueError(f"{text!r} is not a duration such as 1h30m or 250ms")
    return total
