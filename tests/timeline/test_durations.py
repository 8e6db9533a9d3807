from datetime import timedelta

import pytest

from timeskip.timeline.durations import duration_text


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0 s"),
        (timedelta(microseconds=400), "0 s"),
        (timedelta(milliseconds=250), "250 ms"),
        (timedelta(microseconds=999_600), "1 s"),
        (timedelta(seconds=1.54), "1.5 s"),
        (timedelta(seconds=10), "10 s"),
        (timedelta(seconds=59.97), "1 min"),
        (timedelta(minutes=1, seconds=30), "1 min 30 s"),
        (timedelta(hours=1), "1 h"),
        (timedelta(days=1, hours=2, minutes=3), "1 d 2 h"),
        (timedelta(days=30, seconds=1), "30 d 1 s"),
        (timedelta(days=365), "365 d"),
        (timedelta(days=365, milliseconds=12), "365 d"),
    ],
)
def test_duration_has_its_two_largest_units(duration: timedelta, text: str) -> None:
    assert duration_text(duration) == text
