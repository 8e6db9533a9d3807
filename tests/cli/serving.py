"""`timeskip serve` in a process of its own, as a user starts it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

#: Seconds after which a process that should have ended is taken to hang. On a machine that is busy with
#: something else, Python alone may take ten seconds to start, and one command starts six of it in turn.
PATIENCE = 180.0

_TIMESKIP = (sys.executable, "-m", "timeskip.cli")


class Ended(NamedTuple):
    """How a process ended, and what it wrote."""

    exit_code: int
    stdout: str
    stderr: str


class Served(NamedTuple):
    """A running `timeskip serve`, and the line that it has printed."""

    process: subprocess.Popen[str]
    announcement: str

    @property
    def address(self) -> str:
        """`host:port`, as clients take it."""
        found = re.search(r"127\.0\.0\.1:\d+", self.announcement)
        assert found is not None, self.announcement
        return found[0]

    @property
    def port(self) -> str:
        """The port alone."""
        return self.address.rpartition(":")[2]

    def end(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """Send the signal and wait for the end."""
        self.process.send_signal(number)
        stdout, stderr = self.process.communicate(timeout=PATIENCE)
        return Ended(self.process.returncode, stdout, stderr)


def run_timeskip(*arguments: str) -> Ended:
    """Run `timeskip` to its end."""
    return run_to_end(*_TIMESKIP, *arguments)


def run_to_end(*command: str) -> Ended:
    """Run any program to its end."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


@contextmanager
def serving(*options: str) -> Iterator[Served]:
    """A server for the block, ended with it if the block has not ended it."""
    process = subprocess.Popen(
        [*_TIMESKIP, "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        announcement = process.stdout.readline()
        if not announcement:
            _, stderr = process.communicate(timeout=PATIENCE)
            raise RuntimeError(f"timeskip serve ended with {process.returncode}: {stderr}")
        served = Served(process, announcement)
        try:
            yield served
        finally:
            if process.returncode is None:
                served.end()
