from io import BytesIO, TextIOWrapper

import pytest
from rich.cells import cell_len
from rich.console import Console
from temporalio.api.history.v1 import History

from tests.timeline.recorded import HISTORIES, recorded
from timeskip.timeline import Timeline

NAMES = sorted(path.stem for path in HISTORIES.glob("*.json"))


def printed(name: str, *, width: int = 80, encoding: str = "utf-8", color: bool = False) -> str:
    raw = BytesIO()
    file = TextIOWrapper(raw, encoding=encoding, newline="\n")
    console = Console(
        file=file,
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        _environ={},
    )
    console.print(Timeline(recorded(name)))
    file.flush()
    return raw.getvalue().decode(encoding)


def test_plain_text_reads_from_top_to_bottom() -> None:
    assert str(Timeline(recorded("feast"))).splitlines() == [
        "     +0 s ┌ started   Feast",
        "   +13 ms ├ activity  roast_goose failed: ColdOven: the oven is cold",
        "   +18 ms └ failed    ColdOven: the oven is cold",
    ]


def test_offset_is_told_where_it_changes() -> None:
    rows = str(Timeline(recorded("vigil"))).splitlines()

    assert [row[:10].strip() for row in rows] == ["+0 s", "+12 ms", ""]


def test_loop_is_one_line() -> None:
    rows = str(Timeline(recorded("chimes"))).splitlines()

    assert rows[3].split(maxsplit=1) == [
        "┊",
        "10 more rounds of timer 10 ms, activity lay_table",
    ]
    assert len(rows) == 7


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [50, 80, 120])
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    assert all(cell_len(line) <= width for line in printed(name, width=width).splitlines())


def test_long_value_is_cut_and_long_failure_is_not() -> None:
    text = printed("dinner", width=46)

    assert "lay_table → glasses=4, …" in text
    assert "all the candles went out" in " ".join(text.split())


def test_failures_are_red() -> None:
    red_lines = [line for line in printed("dinner", color=True).splitlines() if "\x1b[31m" in line]

    assert any("ColdOven: the oven is cold" in line for line in red_lines)
    assert not any("lay_table" in line for line in red_lines)


def test_without_color_there_is_no_escape() -> None:
    assert "\x1b" not in printed("dinner")


def test_terminal_without_unicode_gets_ascii() -> None:
    assert printed("dinner", encoding="ascii").isascii()


def test_empty_history_prints_nothing() -> None:
    assert str(Timeline(History())) == ""
