"""Sweeps and plans find bugs that only crashes show, and nothing where there is none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_name("planted")

#: In the order of the page.
BUGS = (
    "non_idempotent_activity",
    "key_that_is_made_up",
    "local_activity_with_side_effect",
    "memory_of_a_worker",
    "lost_progress",
    "timer_that_starts_again",
    "lock_that_stays_locked",
    "skipped_compensation",
    "signal_lost_at_continue_as_new",
    "update_forgotten_in_replay",
    "state_in_a_global",
    "child_that_ends_with_its_parent",
    "too_few_attempts",
)

#: What is quick, and fails for reasons as different as possible.
_ALWAYS = ("non_idempotent_activity", "update_forgotten_in_replay", "too_few_attempts")

_SUMMARY = re.compile(r"^(PASSED|FAILED|ERROR) \S*?planted/(\w+)\.py::(test_\w+)(\S*)", re.M)


@dataclass
class Played:
    """What came of a module's tests: the names of those that passed and of those that did not."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    first_failure: str = ""


def play(names: Sequence[str]) -> dict[str, Played]:
    """Run the tests of these modules, in one process."""
    root = FOLDER.parents[2]
    ran = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-rA",
                "--tb=short",
                "-p",
                "no:cacheprovider",
            ),
            *("-p", "no:xdist", "--hypothesis-seed=1", "-o", "addopts=--import-mode=importlib"),
            *(str((FOLDER / f"{name}.py").relative_to(root)) for name in names),
        ],
        cwd=root,
        env={**os.environ, "COLUMNS": "100", "PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    played = {name: Played() for name in names}
    for outcome, name, test, point in _SUMMARY.findall(ran.stdout):
        of_module = played[name]
        (of_module.passed if outcome == "PASSED" else of_module.failed).append(test + point)
    for name, of_module in played.items():
        if of_module.failed:
            of_module.first_failure = _report(ran.stdout, name, of_module.failed[0])
    assert any(of_module.passed for of_module in played.values()), ran.stdout + ran.stderr
    return played


def code(name: str) -> str:
    """A bug and its twin, as the page shows them."""
    source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    return source.partition("MINUTE = timedelta(minutes=1)")[2].strip()


def _report(output: str, module: str, test: str) -> str:
    """What pytest has printed of a failure."""
    for section in re.split(r"^(?=_+ test_)", output, flags=re.M):
        if re.match(rf"_+ {re.escape(test)} _+$", section, re.M) and f"{module}.py" in section:
            return re.split(r"^(?=={10})", section, maxsplit=1, flags=re.M)[0]
    return ""


def require_found(played: dict[str, Played]) -> None:
    for name, of_module in played.items():
        bugs = [test for test in of_module.failed if test.startswith("test_bug")]
        assert bugs, f"nothing was found in {name}"
        assert bugs == of_module.failed, f"something was found in the twin of {name}"
        if name != "too_few_attempts":
            assert "test_bug" in of_module.passed, f"{name} fails without a crash"
        assert "test_twin" in of_module.passed


def test_page_shows_the_code_as_it_is() -> None:
    page = (FOLDER.parents[2] / "docs" / "planted_bugs.md").read_text(encoding="utf-8")
    for name in BUGS:
        assert code(name) in page, "run `make docs`"


def test_a_few_bugs_are_found_and_their_twins_pass() -> None:
    require_found(play(_ALWAYS))


@pytest.mark.slow
def test_all_bugs_are_found_and_their_twins_pass() -> None:
    require_found(play(BUGS))
