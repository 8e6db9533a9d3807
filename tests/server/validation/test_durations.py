from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration

from timeskip.server.validation.durations import (
    cap,
    from_nanoseconds,
    nanoseconds,
    shorten,
    why_invalid,
    wrapped_to_int64,
)

CENTURY = 100 * 365 * 24 * 60 * 60


@pytest.mark.parametrize(
    ("duration", "reason"),
    [
        (Duration(), None),
        (Duration(seconds=1, nanos=5), None),
        (Duration(seconds=-1), "negative duration"),
        (Duration(nanos=-5), "negative duration"),
        (Duration(seconds=1, nanos=-5), "duration has seconds and nanos with different signs"),
        (Duration(seconds=-1, nanos=5), "duration has seconds and nanos with different signs"),
    ],
)
def test_why_invalid_looks_at_signs(duration: Duration, reason: str | None) -> None:
    assert why_invalid(duration) == reason


def test_nanoseconds_of_a_huge_duration_stay_an_int64() -> None:
    assert nanoseconds(Duration(seconds=400_000_000_000)) == 2**63 - 1


@pytest.mark.parametrize("length", [0, 1, 1_500_000_000, -1, -1_500_000_000])
def test_from_nanoseconds_is_undone_by_nanoseconds(length: int) -> None:
    assert nanoseconds(from_nanoseconds(length)) == length


def test_from_nanoseconds_gives_both_fields_the_same_sign() -> None:
    assert from_nanoseconds(-1_500_000_000) == Duration(seconds=-1, nanos=-500_000_000)


def test_wrapped_to_int64_overflows_like_go() -> None:
    assert wrapped_to_int64(2**63) == -(2**63)
    assert wrapped_to_int64(2**63 - 1) == 2**63 - 1


def test_cap_shortens_to_a_century() -> None:
    duration = Duration(seconds=CENTURY, nanos=1)
    cap(duration)
    assert duration == Duration(seconds=CENTURY)


def test_cap_leaves_what_is_shorter_as_it_was_written() -> None:
    duration = Duration(seconds=1, nanos=2_000_000_000)
    cap(duration)
    assert duration == Duration(seconds=1, nanos=2_000_000_000)


def test_shorten_takes_the_limit_only_if_it_is_shorter() -> None:
    duration = Duration(seconds=5)
    shorten(duration, Duration(seconds=7))
    assert duration == Duration(seconds=5)
    shorten(duration, Duration(seconds=3))
    assert duration == Duration(seconds=3)
