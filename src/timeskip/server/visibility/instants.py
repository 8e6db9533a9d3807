"""Points in time as visibility has them: whole microseconds, written as RFC 3339."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(?:Z|([+-]\d\d:\d\d))", re.ASCII
)


def parsed_instant(text: str) -> int | None:
    """Microseconds since the epoch, or None if the text is no instant."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    seconds, fraction, offset = match.groups()
    try:
        instant = datetime.fromisoformat(seconds + (offset or "+00:00"))
    except ValueError:
        return None
    microseconds = int((fraction or "0")[:6].ljust(6, "0"))
    return (instant - _EPOCH) // timedelta(microseconds=1) + microseconds


def written_instant(microseconds: int) -> str:
    """The instant in UTC, with as many digits of a second as it needs."""
    instant = _EPOCH + timedelta(microseconds=microseconds)
    text = instant.strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{instant.microsecond:06}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"
