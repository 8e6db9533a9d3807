"""A file holds one concept; one that outgrows the limit holds more."""

from __future__ import annotations

from collections.abc import Iterator

from tests.house.source_files import (
    Finding,
    SourceFile,
    broken_by,
    python_files,
    require_none,
    sample,
)

LONGEST_FILE = 700
"""Lines."""


def too_long(source: SourceFile) -> Iterator[Finding]:
    """Files of more than `LONGEST_FILE` lines."""
    lines = len(source.text.splitlines())
    if lines > LONGEST_FILE:
        yield source.finding(lines, f"{lines} lines, more than {LONGEST_FILE}")


def test_file_that_is_too_long_is_caught() -> None:
    longest, longer = "\n" * LONGEST_FILE, "\n" * (LONGEST_FILE + 1)
    assert broken_by(too_long, sample("src/timeskip/runs.py", longest)) == []
    assert len(broken_by(too_long, sample("src/timeskip/runs.py", longer))) == 1


def test_no_file_is_too_long() -> None:
    require_none(broken_by(too_long, *python_files()))
