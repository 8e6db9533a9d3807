"""`docs/machines.md` draws the tables that the direct lane has today."""

from __future__ import annotations

from docs.generate_machines import PAGE, page


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"
