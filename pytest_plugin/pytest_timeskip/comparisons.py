"""What a failing `assert` on histories tells."""

from __future__ import annotations

import pytest

from timeskip.histories import GoldenHistory, History, explain_inequality

#: What pytest puts before each line of an explanation.
_MARGIN = len("E         ")


def explained(config: pytest.Config, op: str, left: object, right: object) -> list[str] | None:
    """Lines for `pytest_assertrepr_compare`; None if it is none of ours."""
    if op != "==" or not isinstance(left, (History, GoldenHistory)):
        return None
    width, colour = terminal(config)
    if isinstance(left, GoldenHistory):
        left, right = right, left
    if isinstance(right, GoldenHistory):
        why = right.explanation(width=width, colour=colour)
    elif isinstance(left, History) and isinstance(right, History):
        why = explain_inequality(left, right, width=width, colour=colour)
    else:
        return None
    return [f"{left!r} == {right!r}", *why]


def terminal(config: pytest.Config) -> tuple[int, bool]:
    """The width of what tests are told in, and whether it shows colours.

    Processes of pytest-xdist have no terminal of their own: they are told by the one that has.
    """
    told: tuple[int, bool] | None = getattr(config, "workerinput", {}).get("timeskip_terminal")
    if told is not None:
        return told
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return 80, False
    return reporter._tw.fullwidth - _MARGIN, bool(reporter._tw.hasmarkup)
