"""Durations in requests: which are refused, and the longest that the server keeps."""

from __future__ import annotations

from typing import Final

from google.protobuf.duration_pb2 import Duration

NANOSECONDS: Final = 1_000_000_000

_INT64_LIMIT: Final = 2**63

_LONGEST_SECONDS: Final = 100 * 365 * 24 * 60 * 60
_LONGEST: Final = Duration(seconds=_LONGEST_SECONDS)


def nanoseconds(duration: Duration) -> int:
    """The length in nanoseconds; like Go's `time.Duration` it stays in the range of an int64."""
    length = duration.seconds * NANOSECONDS + duration.nanos
    if -_INT64_LIMIT <= length < _INT64_LIMIT:
        return length
    return _INT64_LIMIT - 1 if length > 0 else -_INT64_LIMIT


def from_nanoseconds(length: int) -> Duration:
    """The duration of that many nanoseconds; both its fields have the sign of `length`."""
    seconds, nanos = divmod(abs(length), NANOSECONDS)
    sign = -1 if length < 0 else 1
    return Duration(seconds=sign * seconds, nanos=sign * nanos)


def wrapped_to_int64(length: int) -> int:
    """What Go's 64-bit arithmetic makes of a product that is too large."""
    return (length + _INT64_LIMIT) % (2 * _INT64_LIMIT) - _INT64_LIMIT


def why_invalid(duration: Duration) -> str | None:
    """The real server's reason to refuse the duration, or None. Unset is zero, which is valid."""
    seconds, nanos = duration.seconds, duration.nanos
    if seconds >= 0 <= nanos:
        return None
    if (seconds > 0 > nanos) or (nanos > 0 > seconds):
        return "duration has seconds and nanos with different signs"
    return "negative duration"


def cap(duration: Duration) -> None:
    """Shorten the duration in place to the longest that the server keeps: 100 years of 365 days."""
    if duration.seconds >= _LONGEST_SECONDS and nanoseconds(duration) > nanoseconds(_LONGEST):
        duration.CopyFrom(_LONGEST)


def shorten(duration: Duration, limit: Duration) -> None:
    """Shorten the duration in place to `limit`."""
    if nanoseconds(duration) > nanoseconds(limit):
        duration.CopyFrom(limit)
