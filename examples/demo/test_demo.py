import os
import subprocess
import sys
from pathlib import Path

from rich.cells import cell_len

ROOT = Path(__file__).parents[2]


def run_demo(*examples: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "examples", *examples],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
    )


def test_demo_ends_with_what_each_workflow_did_and_when() -> None:
    demo = run_demo("greeting")

    assert demo.returncode == 0, demo.stdout + demo.stderr
    _, summary = demo.stdout.split("examples/greeting ─")
    assert "greeting after a year" in summary
    assert "+365 d ├ timer     365 d" in summary
    assert summary.count('completed → "Hello, Ada!"') == 3
    assert summary.splitlines()[-1].split()[:3] == ["all", "4", "4"]
    assert all(cell_len(line) <= 80 for line in summary.splitlines())


def test_demo_of_an_unknown_example_names_those_that_exist() -> None:
    demo = run_demo("greetings")

    assert demo.returncode == 2
    assert "there is no example greetings" in demo.stderr
