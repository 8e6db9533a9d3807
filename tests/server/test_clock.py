"""Due times: their order, and what a clock refuses."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import partial

import pytest

from timeskip.clock import (
    DEFAULT_START,
    END,
    SECOND,
    Clock,
    RealClock,
    VirtualClock,
    datetime_of,
    duration_nanoseconds,
    nanoseconds_of,
)


def run_due(clock: Clock) -> None:
    while (action := clock.take_due()) is not None:
        action()


def test_due_times_come_in_order_whatever_the_order_in_which_they_were_set() -> None:
    clock = Clock(0)
    done: list[str] = []
    for when, name in ((3, "third"), (1, "first"), (2, "second")):
        clock.schedule(when * SECOND, partial(done.append, name))
    clock.advance_to(3 * SECOND)
    run_due(clock)
    assert done == ["first", "second", "third"]


def test_due_times_of_one_instant_come_in_the_order_in_which_they_were_set() -> None:
    clock = Clock(0)
    done: list[int] = []
    for number in range(20):
        clock.schedule(5 * SECOND, partial(done.append, number))
    clock.advance_to(5 * SECOND)
    run_due(clock)
    assert done == list(range(20))


def test_what_is_set_for_this_instant_by_something_due_comes_after_the_rest() -> None:
    clock = Clock(0)
    done: list[str] = []

    def first() -> None:
        clock.schedule(SECOND, partial(done.append, "from the first"))

    clock.schedule(SECOND, first)
    clock.schedule(SECOND, partial(done.append, "second"))
    clock.advance_to(SECOND)
    run_due(clock)
    assert done == ["second", "from the first"]


def test_nothing_is_done_before_its_time() -> None:
    clock = Clock(0)
    clock.schedule(2 * SECOND, lambda: None)
    clock.advance_to(SECOND)
    assert clock.take_due() is None
    assert clock.next_due() == 2 * SECOND


def test_cancelled_due_time_is_forgotten() -> None:
    clock = Clock(0)
    first, second = clock.schedule(SECOND, lambda: None), clock.schedule(2 * SECOND, lambda: None)
    first.cancel()
    assert clock.next_due() == 2 * SECOND
    second.cancel()
    assert clock.next_due() is None


def test_due_time_counts_as_cancelled_once_it_was_taken() -> None:
    clock = Clock(0)
    due = clock.schedule(0, lambda: None)
    assert not due.cancelled
    clock.take_due()
    assert due.cancelled


def test_due_time_in_the_past_is_due_now() -> None:
    clock = Clock(10)
    clock.schedule(3, lambda: None)
    assert clock.take_due() is not None
    assert clock.now() == 10


def test_due_times_are_whole_microseconds() -> None:
    clock = Clock(0)
    clock.schedule(1_001, lambda: None)
    assert clock.next_due() == 2_000


def test_time_never_goes_back() -> None:
    clock = VirtualClock()
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance_to(clock.now() - 1)


def test_real_time_cannot_be_moved() -> None:
    clock = RealClock()
    with pytest.raises(ValueError, match="cannot be moved"):
        clock.advance_to(clock.now() + SECOND)


def test_virtual_time_starts_at_the_same_instant_everywhere() -> None:
    assert datetime_of(VirtualClock().now()) == DEFAULT_START


def test_instants_are_exact_to_the_microsecond() -> None:
    moment = datetime(2031, 5, 6, 7, 8, 9, 123_456, tzinfo=timezone(timedelta(hours=2)))
    assert datetime_of(nanoseconds_of(moment)) == moment


def test_naive_datetime_is_no_instant() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        nanoseconds_of(datetime(2031, 5, 6))  # noqa: DTZ001 - that is the point


def test_long_durations_are_exact() -> None:
    assert duration_nanoseconds(timedelta(days=36_500, microseconds=1)) == (
        36_500 * 86_400 * SECOND + 1_000
    )


def test_what_is_due_after_the_end_of_time_never_is() -> None:
    clock = VirtualClock()
    later = clock.schedule(END + 1, lambda: None)
    assert (clock.next_due(), clock.ends_before_next_due) == (None, True)
    clock.schedule(END, lambda: None)
    assert (clock.next_due(), clock.ends_before_next_due) == (END, False)
    later.cancel()
    clock.advance_to(END)
    assert datetime_of(clock.now()).year == 9999
