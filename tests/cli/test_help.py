"""What the command tells about itself, and what it refuses."""

from __future__ import annotations

import importlib.metadata

import pytest

from tests.cli.serving import run_timeskip


def test_help_lists_the_commands() -> None:
    ended = run_timeskip("--help")
    assert ended.exit_code == 0
    assert "serve" in ended.stdout


def test_help_of_serve_explains_every_option() -> None:
    ended = run_timeskip("serve", "--help")
    assert ended.exit_code == 0
    for option in ("--port", "--clock", "--namespace", "--seed", "--json"):
        assert option in ended.stdout


def test_version_is_the_distribution_s() -> None:
    ended = run_timeskip("--version")
    assert ended.exit_code == 0
    assert importlib.metadata.version("timeskip") in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--port", "65536"), "65536"),
        (("--port", "http"), "http"),
        (("--clock", "broken"), "broken"),
        (("--seed", "x"), "x"),
        (("--namespace", ""), "namespace"),
    ],
)
def test_bad_option_is_refused(arguments: tuple[str, ...], complaint: str) -> None:
    ended = run_timeskip("serve", *arguments)
    assert ended.exit_code == 2
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr
