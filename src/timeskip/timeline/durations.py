"""Durations as people say them."""

from datetime import timedelta

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration_text(duration: timedelta) -> str:
    """Writes a duration of zero or more with its two largest units: `365 d`, `1 h 30 min`, `1.5 s`.

    Below a minute it rounds to tenths of a second, below a second to milliseconds.
    """
    seconds = duration / timedelta(seconds=1)
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds} ms" if milliseconds else "0 s"
    if round(seconds, 1) < 60:
        return f"{round(seconds, 1):g} s"
    parts = []
    rest = round(seconds)
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
