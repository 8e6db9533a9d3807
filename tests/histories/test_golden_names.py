"""The files of golden histories that tests name themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from timeskip.histories import GoldenHistory


@pytest.fixture
def golden(tmp_path: Path) -> GoldenHistory:
    return GoldenHistory(tmp_path / "test_order.json", shown="test_order.json", command="pytest")


def test_plain_name_is_in_the_name_of_the_file(golden: GoldenHistory) -> None:
    assert golden("second run-2").path.name == "test_order-second run-2.json"


@pytest.mark.parametrize(
    "name", ["order/1", "../../up", "a\\b", "x" * 500, "漢" * 200, "a\nb", "\0"]
)
def test_any_name_makes_a_file_beside_the_others(golden: GoldenHistory, name: str) -> None:
    file = golden(name).path
    file.write_text("{}", encoding="utf-8")
    assert list(golden.path.parent.iterdir()) == [file]


def test_names_of_which_the_same_is_left_are_told_apart(golden: GoldenHistory) -> None:
    assert len({golden(name).path for name in ("a/b", "a:b", "a_b", "A/b")}) == 4
