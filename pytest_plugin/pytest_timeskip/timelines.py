"""What a failing test's workflows did, and when: a timeline of each, with what befell its workers."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

import timeskip
from pytest_timeskip import comparisons
from timeskip.timeline import Timeline

#: More than anybody reads.
_MOST_RUNS = 8
_MOST_LINES = 60


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    """`--timeskip-timeline`, and the setting that is its default."""
    group.addoption(
        "--timeskip-timeline",
        choices=["yes", "no"],
        help="Whether a failing test prints what its workflows did and when (the default: yes).",
    )
    parser.addini(
        "timeskip_timeline", "Default of --timeskip-timeline (default: true).", "bool", default=True
    )


def told(config: pytest.Config, simulation: timeskip.Simulation) -> str:
    """The timelines as they are to be printed; empty if there are none, or none are wanted."""
    chosen = config.getoption("--timeskip-timeline")
    is_wanted = config.getini("timeskip_timeline") if chosen is None else chosen == "yes"
    if not is_wanted:
        return ""
    width, colour = comparisons.terminal(config)
    console = Console(
        file=StringIO(),
        width=width,
        color_system="standard" if colour else None,
        force_terminal=colour,
        highlight=False,
        legacy_windows=False,
    )
    runs = list(simulation.runs)
    with console.capture() as capture:
        for run in runs[:_MOST_RUNS]:
            console.print(Text.assemble((run.workflow_id, "bold"), f" ({run.workflow_type})"))
            marks = simulation.faults.marks_of(run.run_id) if simulation.fault_plan else ()
            console.print(Timeline(run.history, marks))
        if len(runs) > _MOST_RUNS:
            console.print(f"and {len(runs) - _MOST_RUNS} more workflows")
    lines = [line.rstrip() for line in capture.get().splitlines()]
    if len(lines) > _MOST_LINES:
        half = _MOST_LINES // 2
        lines[half:-half] = [f"... {len(lines) - 2 * half} more lines ..."]
    return "\n".join(lines)
