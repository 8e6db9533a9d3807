"""What blocks a test ends, however the process was begun."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import signal, threading
from timeskip.blocked_tests import blocked_loops_ended, end_block
signal.signal(signal.SIGINT, signal.SIG_IGN)
try:
    with blocked_loops_ended():
        threading.Thread(target=end_block, args=[RuntimeError("it blocks")]).start()
        threading.Event().wait()
except RuntimeError as error:
    print(error, signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no signals for single threads")
def test_interrupts_that_a_background_job_ignores_end_what_blocks() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "it blocks True\n"
