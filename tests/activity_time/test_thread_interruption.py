"""The SDK interrupts a thread that is blocked, and every thread is traced."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from temporalio.exceptions import CancelledError
from temporalio.worker._activity import _ThreadExceptionRaiser

from timeskip.activity_time import thread_interruption


def trace(frame: FrameType, event: str, argument: Any) -> Any:
    return trace


@pytest.fixture(autouse=True)
def _traced() -> Iterator[None]:
    here, threads = sys.gettrace(), threading.gettrace()
    sys.settrace(here or trace)
    threading.settrace(threads or trace)
    thread_interruption.install()
    yield
    threading.settrace(threads)
    sys.settrace(here)


class Interrupted:
    """A thread that blocks until `go_on`, and then does what it is told to."""

    def __init__(self, then: Callable[[], None]) -> None:
        self.raiser = _ThreadExceptionRaiser()
        self.go_on = threading.Event()
        self.was_cancelled = False
        self._then = then
        self._blocks = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._blocks.wait()

    def _run(self) -> None:
        try:
            with self.raiser.active_thread():
                self._blocks.set()
                self.go_on.wait()
                self._then()
        except CancelledError:
            self.was_cancelled = True

    def end(self) -> None:
        self.go_on.set()
        self._thread.join()


def run_on_and_on() -> None:
    while True:
        threading.get_ident()


def test_other_threads_go_on_while_it_is_blocked() -> None:
    thread = Interrupted(run_on_and_on)
    thread.raiser.raise_in_thread(CancelledError)
    for _ in range(3):
        other = threading.Thread(target=trace, args=(None, "", None))
        other.start()
        other.join()
    thread.end()
    assert thread.was_cancelled


def test_thread_that_ends_first_is_left_alone() -> None:
    thread = Interrupted(lambda: None)
    thread.raiser.raise_in_thread(CancelledError)
    thread.end()
    assert thread.raiser._thread_id is None


def test_thread_that_shields_itself_is_interrupted_at_the_end_of_its_shield() -> None:
    shielded: list[bool] = []

    def shield() -> None:
        with thread.raiser.shielded():
            thread.raiser.raise_in_thread(CancelledError)
            shielded.append(thread.was_cancelled)
        run_on_and_on()

    thread = Interrupted(shield)
    thread.end()
    assert shielded == [False]
    assert thread.was_cancelled
