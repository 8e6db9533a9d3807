"""The gallery of bugs: for each, the message names the right line and the right cause."""

from __future__ import annotations

import linecache

import pytest

from tests.histories.gallery import disguised
from tests.histories.gallery.bug import Bug
from tests.histories.gallery.bugs import BUGS
from timeskip.histories import Place

pytestmark = pytest.mark.asyncio


def source(place: Place | None) -> str:
    return linecache.getline(place.path, place.line) if place is not None else ""


@pytest.mark.parametrize("bug", [*BUGS, *disguised.BUGS], ids=lambda bug: bug.title)
async def test_cause_and_line_are_named(bug: Bug) -> None:
    explanation = await bug.explanation()
    assert explanation.cause.kind == bug.cause
    assert bug.at in source(explanation.cause.place)
    assert bug.asked_at in source(explanation.asked_place)
    assert str(explanation.cause.place) in str(explanation)
