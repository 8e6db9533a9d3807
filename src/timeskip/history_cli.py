"""`timeskip history`: histories of running servers and in files, from the command line."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfigProfile
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

from timeskip.errors import TimeskipError
from timeskip.histories import Aspect, History, Ignored, explain_inequality
from timeskip.histories.corpus import ReplayedFile, Verdict, history_files, replay_files
from timeskip.histories.corpus_processes import replay_in_processes
from timeskip.histories.events import event_type_name
from timeskip.histories.history import Terms
from timeskip.histories.normal_form import EVERYTHING_IGNORED
from timeskip.histories.pull import Pulled, pull_histories
from timeskip.histories.value_text import value_text
from timeskip.histories.workflow_source import WorkflowSource, named_converter
from timeskip.sdk_exit import guard_exit
from timeskip.timeline import Timeline

_STYLES = {
    Verdict.REPLAYED: "green",
    Verdict.FAILED: "red",
    Verdict.BROKEN: "yellow",
    Pulled.WRITTEN: "green",
    Pulled.KEPT: "dim",
    Pulled.FAILED: "red",
}

#: The exit code of a command that Ctrl+C has ended.
_INTERRUPTED = 130

#: Files that take longer to replay than a process takes to start.
_WORTH_A_PROCESS = 64

_EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_converter_option = click.option(
    "--data-converter",
    metavar="MODULE:NAME",
    help="The data converter that payloads were written with, such as shop.temporal:converter.",
)


@click.group(short_help="Pull, replay, show and compare histories of workflows.")
def history() -> None:
    """Histories of workflows: of running Temporal servers, and in files.

    Files are the JSON of `temporal workflow show --output json`, of the web UI and of the SDKs.
    """
    # Modules are found where the command is run, as `python -m` finds them.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    # Names of files are any text, which not every terminal or pipe takes.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


# -- pull -----------------------------------------------------------------------------------------


@history.command(short_help="Download histories from a running Temporal server.")
@click.option("--address", metavar="HOST:PORT", help="The server's frontend.")
@click.option("--namespace", metavar="NAME", help="The namespace of the workflows.")
@click.option("--api-key", metavar="KEY", help="An API key; turns TLS on.")
@click.option("--tls/--no-tls", default=None, help="Whether to use TLS.")
@click.option(
    "--profile", metavar="NAME", help="A profile of the temporal command's configuration file."
)
@click.option(
    "--query",
    default="",
    metavar="FILTER",
    help="A list filter, as \"WorkflowType = 'Order' AND CloseTime > '2026-01-01T00:00:00Z'\"."
    " Without one, every workflow.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder for the files, named by workflow id and run id.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many workflows.")
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    metavar="N",
    help="Histories that are fetched at a time.",
)
def pull(
    address: str | None,
    namespace: str | None,
    api_key: str | None,
    tls: bool | None,
    profile: str | None,
    query: str,
    out: Path,
    limit: int | None,
    concurrency: int,
) -> None:
    """Download the histories of workflows from a running Temporal server.

    What the options leave open is taken from the temporal command's configuration file and the
    TEMPORAL_... variables of the environment. Run again, it goes on where it was: histories of
    closed workflows are downloaded only once.

    \b
    Example:
      timeskip history pull --address 127.0.0.1:7233 --query "WorkflowType = 'Order'" --out corpus
    """
    guard_exit()
    try:
        config = ClientConfigProfile.load(profile).to_client_connect_config()
    except Exception as error:  # the SDK raises whatever its parser raises
        raise click.ClickException(f"the configuration cannot be read: {error}") from error
    options: dict[str, Any] = {"target_host": "localhost:7233", **config}
    given = {"target_host": address, "namespace": namespace, "api_key": api_key, "tls": tls}
    options.update({name: value for name, value in given.items() if value is not None})
    try:
        out.mkdir(parents=True, exist_ok=True)
        failed = asyncio.run(_pull(options, query, out, limit, concurrency))
    except (RPCError, RuntimeError, OSError) as error:
        asked = isinstance(error, RPCError) and error.status is RPCStatusCode.INVALID_ARGUMENT
        about = f"{options['target_host']}: {f'the query {query!r}: ' if asked and query else ''}"
        raise click.ClickException(f"{about}{error}") from error
    except KeyboardInterrupt:
        click.echo("Interrupted. Run again, it goes on where it was.", err=True)
        sys.exit(_INTERRUPTED)
    if failed:
        sys.exit(1)


async def _pull(
    options: dict[str, Any], query: str, folder: Path, limit: int | None, concurrency: int
) -> bool:
    # Without the core's log: it tells each try at a server that has gone.
    runtime = Runtime(telemetry=TelemetryConfig(logging=None, metrics=None))
    client = await Client.connect(**options, runtime=runtime)
    total = await _number_of_runs(client, query)
    console = _console()
    counts: Counter[Pulled] = Counter()
    pulling = pull_histories(client, query, folder, concurrency=concurrency, limit=limit)
    try:
        with _progress() as progress:
            of = min(filter(None, (total, limit)), default=None)
            task = progress.add_task("histories", total=of)
            async for run in pulling:
                counts[run.result] += 1
                progress.advance(task)
                _tell(console, run.result, run.name, run.message)
    except (RPCError, asyncio.CancelledError):
        if counts:
            _summarise(console, counts)
        raise
    _summarise(console, counts)
    return bool(counts[Pulled.FAILED])


def _summarise(console: Console, counts: Counter[Pulled]) -> None:
    told = ", ".join(f"{counts[result]:,} {result.value}" for result in Pulled)
    console.print(f"{sum(counts.values()):,} workflows: {told}", highlight=False)


async def _number_of_runs(client: Client, query: str) -> int | None:
    """For the progress bar only."""
    try:
        return (await client.count_workflows(query)).count
    except RPCError:
        return None  # a server without it can list all the same


# -- replay ---------------------------------------------------------------------------------------


@history.command(short_help="Replay a folder of histories with the workflows of today.")
@click.argument("folder", type=click.Path(exists=True, path_type=Path), metavar="DIR")
@click.option(
    "--workflows",
    "modules",
    required=True,
    multiple=True,
    metavar="MODULE",
    help="A module or package with workflows, or one workflow: shop.orders:Order. May be given"
    " several times.",
)
@_converter_option
@click.option(
    "--processes",
    type=click.IntRange(1),
    metavar="N",
    help="How many processes replay at a time: one for each core unless there is little to do.",
)
@click.option("--sandbox/--no-sandbox", default=True, help="Whether workflows run in the sandbox.")
@click.option("--quiet", is_flag=True, help="Do not tell of histories that are replayed.")
def replay(
    folder: Path,
    modules: tuple[str, ...],
    data_converter: str | None,
    processes: int | None,
    sandbox: bool,
    quiet: bool,
) -> None:
    """Replay the histories in a folder, at any depth, with the workflows of today.

    Each is told by its name: replayed, failed (the workflow does something else than the history
    says, or fails), or broken (the file is no history). The exit code is 0 only if all are replayed.

    \b
    Example:
      timeskip history replay corpus --workflows shop.orders
    """
    guard_exit()
    console = _console()
    counts: Counter[Verdict] = Counter()
    files: list[Path] = []
    try:
        files = history_files(folder)
        source = WorkflowSource(modules, data_converter, sandbox)
        with _progress() as progress:
            task = progress.add_task("histories", total=len(files))
            for replayed in _replayed(folder, files, source, processes):
                counts[replayed.verdict] += 1
                progress.advance(task)
                if replayed.verdict is not Verdict.REPLAYED or not quiet:
                    _tell(console, replayed.verdict, replayed.name, replayed.message)
    except TimeskipError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        exit_code = _INTERRUPTED
    else:
        exit_code = 0 if counts[Verdict.REPLAYED] == len(files) else 1
    told = ", ".join(f"{counts[verdict]:,} {verdict.value}" for verdict in Verdict)
    console.print(f"{len(files):,} histories: {told}", highlight=False)
    sys.exit(exit_code)


def _replayed(
    folder: Path, files: Sequence[Path], source: WorkflowSource, processes: int | None
) -> Iterator[ReplayedFile]:
    if processes == 1:
        return replay_files(folder, files, source.settings())
    if processes is None:
        processes = min(os.cpu_count() or 1, 1 + len(files) // _WORTH_A_PROCESS)
    return replay_in_processes(folder, files, source, processes)


# -- show and diff --------------------------------------------------------------------------------


@history.command(short_help="Show a history as a timeline.")
@click.argument("file", type=_EXISTING_FILE)
@click.option("--events", is_flag=True, help="Every event with its attributes instead.")
@_converter_option
def show(file: Path, events: bool, data_converter: str | None) -> None:
    """Show what happened in a run, and when."""
    loaded = _loaded(file, data_converter)
    console = _console()
    begins = loaded.events[0].type == "WorkflowExecutionStarted"
    about = f"{loaded.workflow_type} {loaded.workflow_id}".rstrip() if begins else str(file)
    count = len(loaded.events)
    console.print(f"[bold]{escape(about)}[/], {count:,} events, {loaded.status}", highlight=False)
    # Of a part of a history a timeline would tell ends without beginnings.
    if begins and not events:
        console.print(Timeline(loaded.decoded))
        return
    for event in loaded.decoded.events:
        kind = event.WhichOneof("attributes")
        time = event.event_time.ToJsonString()
        console.print(
            f"[cyan]{event.event_id:>5}[/] [dim]{time}[/] [bold]{event_type_name(event.event_type)}[/]"
            f" {escape(value_text(getattr(event, kind)) if kind else '')}",
            highlight=False,
            soft_wrap=True,
        )


@history.command(short_help="Compare two histories.")
@click.argument("expected", type=_EXISTING_FILE)
@click.argument("actual", type=_EXISTING_FILE)
@click.option(
    "--keep",
    multiple=True,
    type=click.Choice([each.name.lower() for each in Ignored], case_sensitive=False),
    help="Compare this as well, which is ignored otherwise. May be given several times.",
)
@click.option("--commands", "aspect", flag_value="commands", help="Compare commands only.")
@click.option("--shape", "aspect", flag_value="shape", help="Compare types of events only.")
@_converter_option
def diff(
    expected: Path, actual: Path, keep: tuple[str, ...], aspect: str, data_converter: str | None
) -> None:
    """Tell the first difference of two histories. The exit code is 1 if there is one."""
    terms = Terms(
        EVERYTHING_IGNORED.difference(Ignored[name.upper()] for name in keep),
        Aspect[(aspect or "events").upper()],
    )
    sides = [_loaded(file, data_converter).on(terms) for file in (actual, expected)]
    console = _console()
    if sides[0] == sides[1]:
        console.print("The histories are equal.")
        return
    for line in explain_inequality(*sides, width=console.width, colour=console.is_terminal):
        click.echo(line)
    sys.exit(1)


def _loaded(file: Path, data_converter: str | None) -> History:
    try:
        converter = named_converter(data_converter) if data_converter else DataConverter.default
        return History.load(file, converter=converter)
    except TimeskipError as error:
        raise click.ClickException(str(error)) from error


# -- the terminal ---------------------------------------------------------------------------------


def _console() -> Console:
    return Console(soft_wrap=False)


def _progress() -> Progress:
    """On the terminal only, and out of the way of what is written to a file."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _tell(console: Console, result: Verdict | Pulled, name: str, message: str) -> None:
    style = _STYLES[result]
    first, *more = message.splitlines() or [""]
    told = f"{escape(name)}: {escape(first)}" if first else escape(name)
    console.print(f"[{style}]{result.value:<8}[/] {told}", highlight=False, soft_wrap=True)
    for line in more:
        console.print(f"    {escape(line)}".rstrip(), highlight=False, soft_wrap=True)
