"""What docs/histories.md says of equality is what the code does."""

from __future__ import annotations

from pathlib import Path

from timeskip.histories import Ignored

PAGE = Path(__file__).parents[2] / "docs/histories.md"


def test_table_has_everything_that_is_ignored() -> None:
    _, *rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert rows == [f"| `{each.name}` | {each.value} |" for each in Ignored]
