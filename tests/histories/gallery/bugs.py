"""All of them, in the order of the page."""

from __future__ import annotations

from tests.histories.gallery import chance, changes, everyday, handlers, patched

BUGS = (*chance.BUGS, *changes.BUGS, *patched.BUGS, *handlers.BUGS, *everyday.BUGS)
