"""The garbage collector, stopped by several threads at once."""

from __future__ import annotations

import gc
import threading

from timeskip.lanes.collector import nothing_collected


def test_who_ends_first_does_not_start_it_for_the_other() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def stop() -> None:
        with nothing_collected():
            begun.set()
            may_end.wait()

    other = threading.Thread(target=stop)
    assert gc.isenabled()
    other.start()
    begun.wait()
    with nothing_collected():
        may_end.set()
        other.join()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_stays_off_if_it_was_off_before() -> None:
    gc.disable()
    try:
        with nothing_collected(), nothing_collected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
