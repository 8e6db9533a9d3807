"""The end of `make demo`: for each workflow the time it had, the time it took, and what it did."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from examples.demo.recorder import RecordedTest
from timeskip.timeline import Timeline, duration_text

_VIRTUAL = "bold green"


def print_summary(console: Console, tests: Sequence[RecordedTest]) -> None:
    """Prints each test with the timelines of its workflows, then the sums for each example."""
    for folder, group in groupby(tests, key=lambda test: test.folder):
        console.print(Rule(Text(f"examples/{folder}", "bold cyan"), style="cyan"))
        for test in group:
            _print_test(console, test)
    console.print(_totals(tests))


def _print_test(console: Console, test: RecordedTest) -> None:
    console.print(_heading(test))
    for run in test.runs:
        if len(test.runs) > 1:
            console.print(
                Text.assemble(run.workflow_id, (f"  {duration_text(run.virtual)}", "green"))
            )
        console.print(Timeline(run.history))
    console.print()


def _heading(test: RecordedTest) -> Table:
    """The test's name in words, and how much time passed in how little."""
    heading = Table.grid(expand=True)
    heading.add_column(ratio=1)
    heading.add_column(justify="right", no_wrap=True)
    name = Text(_in_words(test.name), "bold")
    if not test.passed:
        name.append("  FAILED", "red")
    heading.add_row(
        name,
        Text.assemble(
            "  ", (duration_text(test.virtual), _VIRTUAL), f" in {duration_text(test.real)}"
        ),
    )
    return heading


def _totals(tests: Sequence[RecordedTest]) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), show_footer=True)
    rows = [(folder, list(group)) for folder, group in groupby(tests, key=lambda test: test.folder)]
    table.add_column("example", "all")
    table.add_column("tests", str(len(tests)), justify="right")
    table.add_column("workflows", str(_count_runs(tests)), justify="right")
    table.add_column(
        "virtual time",
        Text(_virtual_text(tests), _VIRTUAL),
        justify="right",
        style=_VIRTUAL,
    )
    table.add_column("real time", _real_text(tests), justify="right")
    for folder, group in rows:
        table.add_row(
            folder,
            str(len(group)),
            str(_count_runs(group)),
            _virtual_text(group),
            _real_text(group),
        )
    return table


def _count_runs(tests: Sequence[RecordedTest]) -> int:
    return sum(len(test.runs) for test in tests)


def _virtual_text(tests: Sequence[RecordedTest]) -> str:
    return duration_text(sum((test.virtual for test in tests), timedelta()))


def _real_text(tests: Sequence[RecordedTest]) -> str:
    return duration_text(sum((test.real for test in tests), timedelta()))


def _in_words(name: str) -> str:
    words = name.removeprefix("test_").replace("_", " ")
    return words.replace("[", " (").replace("]", ")")
