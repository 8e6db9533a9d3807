"""`docs/nondeterminism.md` shows what timeskip says today."""

from __future__ import annotations

from docs.generate_nondeterminism import PAGE, printed_page


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == printed_page(), "run `make docs`"
