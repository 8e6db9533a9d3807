"""A timeline on a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text
from temporalio.api.history.v1 import History

from timeskip.timeline.cycles import Rounds, fold_cycles
from timeskip.timeline.durations import duration_text
from timeskip.timeline.moments import Mark, Moment, moments_of
from timeskip.timeline.vocabulary import Mood

_STYLES = {
    Mood.PLAIN: "",
    Mood.SUCCESS: "green",
    Mood.CANCELED: "yellow",
    Mood.FAILURE: "red",
    Mood.WAITING: "magenta",
    Mood.FAULT: "bold red",
}
_PLAIN_WIDTH = 80
# Timelines printed below each other line up, but for the rare longer word.
_USUAL_OFFSET_WIDTH = len("+2 d 22 h")
_USUAL_KIND_WIDTH = len("completed")
_ASCII = str.maketrans(
    {"┌": "+", "├": "|", "│": "|", "└": "+", "┊": ":", "→": "->", "…": "...", "✗": "x"}
)

_Row = tuple[Text, Text, Text, Text]


class Timeline:
    """A history to print with rich: one line for each meaningful moment, as wide as the terminal.

    Offsets are times since the run started, told where they change. Loops are folded to their
    first and last round. `marks` tell what the history does not. `str()` gives plain text of 80
    columns.
    """

    def __init__(self, history: History, marks: Sequence[Mark] = ()) -> None:
        self._items = list(fold_cycles(moments_of(history, marks)))

    def __str__(self) -> str:
        console = Console(file=StringIO(), width=_PLAIN_WIDTH, color_system=None)
        with console.capture() as capture:
            console.print(self)
        return "\n".join(line.rstrip() for line in capture.get().splitlines())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = list(self._rows())
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(
            justify="right",
            style="cyan",
            width=_width(_USUAL_OFFSET_WIDTH, (row[0] for row in rows)),
        )
        grid.add_column(style="dim", width=1)
        grid.add_column(width=_width(_USUAL_KIND_WIDTH, (row[2] for row in rows)))
        grid.add_column(
            ratio=1, no_wrap=True, overflow="crop" if options.ascii_only else "ellipsis"
        )
        for row in rows:
            grid.add_row(*([_in_ascii(cell) for cell in row] if options.ascii_only else row))
        yield grid

    def _rows(self) -> Iterator[_Row]:
        told = ""
        for index, item in enumerate(self._items):
            if isinstance(item, Rounds):
                yield _row(rail="┊", text=_rounds_text(item))
                continue
            offset = f"+{duration_text(item.at)}"
            yield _row(
                offset=offset if offset != told else "",
                rail=self._rail(index, item),
                kind=Text(item.line.kind, _STYLES[item.line.mood] or "dim"),
                text=_line_text(item),
            )
            told = offset
            if item.earlier_failure:
                yield _row(rail="│", text=_failure_text(item.earlier_failure))

    def _rail(self, index: int, moment: Moment) -> str:
        if moment.line.mood is Mood.FAULT:
            return "✗"
        return "┌" if index == 0 else "└" if index == len(self._items) - 1 else "├"


def _width(usual: int, column: Iterable[Text]) -> int:
    """What a column needs: never less, however long the text beside it."""
    return max([usual, *(cell.cell_len for cell in column)])


def _row(*, offset: str = "", rail: str, kind: Text | None = None, text: Text) -> _Row:
    return Text(offset), Text(rail), kind or Text(), text


def _line_text(moment: Moment) -> Text:
    line = moment.line
    if line.mood in (Mood.FAILURE, Mood.FAULT):
        return _failure_text(f"{line.subject} {line.detail}".lstrip())
    text = Text().append(line.subject, "bold")
    if line.subject and line.detail:
        text.append(" ")
    return text.append(line.detail, _STYLES[line.mood])


def _failure_text(words: str) -> Text:
    """A failure is told to its end, on as many lines as that takes."""
    return Text(words, "red", no_wrap=False, overflow="fold")


def _rounds_text(rounds: Rounds) -> Text:
    steps = ", ".join(f"{moment.line.kind} {moment.line.subject}" for moment in rounds.round)
    return Text(f"{rounds.count} more rounds of {steps}", "dim")


def _in_ascii(cell: Text) -> Text:
    cell = cell.copy()
    cell.plain = cell.plain.translate(_ASCII).encode("ascii", "backslashreplace").decode()
    return cell
