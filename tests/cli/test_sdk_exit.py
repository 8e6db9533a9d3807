"""A process that has called `guard_exit` does not end under a thread that is still in Python.

The thread here is one that `threading` does not know, as those of the SDK's Rust core.
"""

from __future__ import annotations

import sys

import pytest

from tests.cli.serving import Ended, run_to_end

FOREIGN_THREAD = """
import _thread, sys, time
from timeskip.sdk_exit import guard_exit

running = _thread.allocate_lock()
running.acquire()

def stay(seconds):
    running.release()
    time.sleep(seconds)
    print("left", flush=True)
"""


def run(program: str) -> Ended:
    return run_to_end(sys.executable, "-c", FOREIGN_THREAD + program)


def test_exit_waits_for_a_thread_that_is_about_to_leave() -> None:
    ended = run("guard_exit(); _thread.start_new_thread(stay, (0.1,)); running.acquire()")
    assert ended == Ended(0, "left\n", "")


def test_guarding_twice_is_guarding_once() -> None:
    ended = run(
        "guard_exit(); guard_exit(); _thread.start_new_thread(stay, (0.1,)); running.acquire()"
    )
    assert ended == Ended(0, "left\n", "")


def test_exit_keeps_the_program_s_own_code() -> None:
    assert run("guard_exit(); sys.exit(3)") == Ended(3, "", "")


@pytest.mark.slow
def test_exit_does_not_wait_for_ever() -> None:
    ended = run("guard_exit(); _thread.start_new_thread(stay, (600,)); running.acquire()")
    assert ended == Ended(0, "", "")
