"""The files of golden histories that tests name themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.histories.recorded import named
from timeskip import GoldenHistoryNotWritten, HistoryUnreadable
from timeskip.histories import GoldenHistory, History


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


def test_name_that_is_that_of_another_file_elsewhere_is_refused(golden: GoldenHistory) -> None:
    """macOS and Windows know one file by both."""
    run = History.load(named("dinner"))
    run.save(golden("Refund").path)
    for compared in (golden("Refund"), golden("another")("refund"), golden("refunds")("x")):
        compared._update = True
        assert run == compared
    with pytest.raises(ValueError, match=r"test_order-refund\.json and test_order-Refund\.json"):
        assert run == golden("refund")


def test_file_that_cannot_be_written_is_told(golden: GoldenHistory) -> None:
    golden._update = True
    golden.path.mkdir()
    with pytest.raises(GoldenHistoryNotWritten, match=r"test_order\.json cannot be written: "):
        assert History.load(named("dinner")) == golden


def test_file_that_is_broken_is_told_with_what_records_it_anew(golden: GoldenHistory) -> None:
    golden.path.write_text("{")
    with pytest.raises(HistoryUnreadable, match=r"not JSON: .*\. To record it anew: pytest$"):
        assert History.load(named("dinner")) == golden
