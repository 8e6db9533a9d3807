"""Nothing in the repository comes from the machine that it was written on.

No absolute path of somebody's machine, no address but loopback, no `pid@host` identity (recorded
histories have them), and no web address but of the sites listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.house.source_files import (
    Finding,
    SourceFile,
    broken_by,
    repository_files,
    require_none,
    sample,
)

KNOWN_SITES = {
    "127.0.0.1",
    "api.example.com",
    "docs.python.org",
    "docs.temporal.io",
    "example.com",
    "github.com",
    "hypothesis.readthedocs.io",
    "keepachangelog.com",
    "localhost",
    "semver.org",
}

_ABSOLUTE_PATH = re.compile(r"(?<![\w.}])/(?:home|root|Users|work|tmp|opt|mnt|var|private)/[\w.-]+")
_SITE = re.compile(r"\b(?:https?|ssh|git|file|grpc)://(?:[^\s/@'\"]+@)?([\w.-]+)")
_ADDRESS = re.compile(r"(?<![\w.])(\d{1,3}(?:\.\d{1,3}){3})(?![\w.]*\d)")
_IDENTITY = re.compile(r"(?<![\w.+-])\d+@(?!localhost\b|example\b)[A-Za-z][\w.-]*")


def machine_traces(source: SourceFile) -> Iterator[Finding]:
    """Paths, addresses, identities and sites that only one machine or one company knows."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        for match in _ABSOLUTE_PATH.finditer(line):
            yield source.finding(number, f"a path of one machine: {match[0]}")
        for match in _SITE.finditer(line):
            if match[1].lower() not in KNOWN_SITES:
                yield source.finding(number, f"a site that is not in KNOWN_SITES: {match[1]}")
        for match in _ADDRESS.finditer(line):
            if match[1] != "127.0.0.1" and all(int(part) < 256 for part in match[1].split(".")):
                yield source.finding(number, f"an address other than loopback: {match[1]}")
        for match in _IDENTITY.finditer(line):
            yield source.finding(number, f"an identity of one machine: {match[0]}")


# The samples are put together here so that this file does not break its own rule.
def test_path_of_a_machine_is_caught() -> None:
    for top in ("home", "root", "Users", "tmp"):
        text = f"PATH = '/{top}" + "/ada/project'"
        assert len(broken_by(machine_traces, sample("docs/start.md", text))) == 1


def test_unknown_site_is_caught() -> None:
    text = "pip install --index-url https:" + "//registry.corp.test/simple timeskip"
    assert len(broken_by(machine_traces, sample("README.md", text))) == 1


def test_credentials_before_the_site_do_not_hide_it() -> None:
    text = "https:" + "//github.com@registry.corp.test/simple"
    assert len(broken_by(machine_traces, sample("README.md", text))) == 1


def test_address_other_than_loopback_is_caught() -> None:
    for address in ("10.1." + "2.3", "0.0." + "0.0"):
        text = f'server.add_insecure_port("{address}:7233")'
        assert len(broken_by(machine_traces, sample("src/timeskip/cli.py", text))) == 1


def test_recorded_identity_is_caught() -> None:
    text = '"identity": "4711' + '@build-host-7"'
    assert len(broken_by(machine_traces, sample("tests/histories/a.json", text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/home",
        "https://github.com/temporalio/api",
        'serve("127.0.0.1:7233")',
        "types-protobuf==7.35.1.20260906",
        "tmp_path / 'ada'",
        '"identity": "1@localhost"',
        "@pytest.fixture",
        "activity:charge_card#1:before-report",
    ],
)
def test_what_every_machine_has_is_allowed(text: str) -> None:
    assert broken_by(machine_traces, sample("README.md", text)) == []


def test_repository_has_no_trace_of_a_machine() -> None:
    require_none(broken_by(machine_traces, *repository_files()))
