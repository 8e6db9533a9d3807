"""Holds: reasons for time to stand still."""

from __future__ import annotations

from timeskip.lanes.holds import Holds


def counted() -> tuple[Holds, list[int]]:
    """Holds, and the counts at which a change was told."""
    told: list[int] = []
    holds = Holds(lambda: told.append(holds.count))
    return holds, told


def test_hold_counts_until_it_is_released() -> None:
    holds, told = counted()
    hold = holds.take("a call is being answered")
    assert holds.count == 1
    assert hold.is_active
    hold.release()
    assert told == [0]
    assert not hold.is_active


def test_hold_does_not_count_while_it_is_parked() -> None:
    holds, told = counted()
    hold = holds.take("a call waits")
    hold.park()
    assert holds.count == 0
    hold.resume()
    assert holds.count == 1
    assert told == [0], (
        "that time has to stand still again is no reason to look whether it may move"
    )


def test_doing_it_twice_is_the_same_as_once() -> None:
    holds, _ = counted()
    other, hold = holds.take("another"), holds.take("twice")
    hold.park()
    hold.park()
    assert holds.count == 1
    hold.resume()
    hold.resume()
    assert holds.count == 2
    hold.release()
    hold.release()
    assert holds.count == 1
    assert other.is_active


def test_released_hold_neither_parks_nor_resumes() -> None:
    holds, _ = counted()
    hold = holds.take("over")
    hold.release()
    hold.park()
    hold.resume()
    assert holds.count == 0


def test_hold_that_is_released_while_parked_is_not_taken_off_twice() -> None:
    holds, _ = counted()
    other, hold = holds.take("another"), holds.take("parked")
    hold.park()
    hold.release()
    assert holds.count == 1
    assert other.is_active


def test_call_within_a_callback_parks_the_callback_too() -> None:
    holds, _ = counted()
    callback = holds.take("a callback runs at this instant")
    call = holds.take("its call waits", callback)
    call.park()
    assert holds.count == 0
    call.resume()
    assert holds.count == 2
    call.release()
    assert callback.is_active


def test_hold_is_found_by_its_id_while_it_is_open() -> None:
    holds, _ = counted()
    hold = holds.take("on its way")
    assert holds.by_id(hold.id) is hold
    hold.release()
    assert holds.by_id(hold.id) is None
