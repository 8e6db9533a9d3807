"""`timeskip history`: real servers' histories in files, replayed, shown and compared."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.cli.serving import PATIENCE, Ended, run_to_end, serving
from tests.cli.workflows import Nap, Shout, shout
from tests.conformance_cli.dev_server import dev_server
from tests.conformance_cli.session import program
from timeskip import history_cli
from timeskip.histories import History, ReplayedFile, Verdict
from timeskip.history_cli import history

_WORKFLOWS = ("--workflows", "tests.cli.workflows")


def history_of(*arguments: str | Path) -> Ended:
    """`timeskip history ...` to its end, in this process."""
    result = CliRunner().invoke(history, [*map(str, arguments)], catch_exceptions=False)
    return Ended(result.exit_code, result.stdout, result.stderr)


@contextmanager
def served() -> Iterator[str]:
    """The address of a simulated service."""
    with serving() as running:
        yield running.address


async def run_workflows(address: str) -> None:
    """Two workflows that end, and one that nobody works on."""
    client = await Client.connect(address)
    async with Worker(
        client,
        task_queue="words",
        workflows=[Nap, Shout],
        activities=[shout],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        for word in ("a/b", "c"):
            await client.execute_workflow(Shout.run, word, id=f"shout-{word}", task_queue="words")
    await client.start_workflow(Nap.run, 1, id="nap", task_queue="nobody")


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with the same workflows' histories, of the real server and of the simulated one.

    In each is also `exported.json`, which the `temporal` command has written.
    """
    folders = {}
    for name, server in (("real", dev_server), ("simulated", served)):
        folders[name] = folder = tmp_path_factory.mktemp(name)
        with server() as address:
            asyncio.run(run_workflows(address))
            listed = _pull_twice(address, folder)
            show = ("workflow", "show", "--workflow-id", "shout-c", "--output", "json")
            exported = run_to_end(program(), *show, "--address", address)
            (folder / "exported.json").write_text(exported.stdout)
        assert listed == {"nap", "shout-a_b", "shout-c"}
    return folders


def _pull_twice(address: str, folder: Path) -> set[str]:
    """Pull all, then all but for what is there; the workflow ids in the names of the files."""
    options = ("--address", address, "--out", folder)
    # The real server lists a workflow a moment after it has ended.
    while len(list(folder.iterdir())) < 3:
        first = history_of("pull", *options)
        assert first.exit_code == 0, first.stderr
    closed = next(folder.glob("shout-c.*"))
    written = closed.stat().st_mtime_ns
    again = history_of("pull", *options, "--query", "WorkflowType = 'Shout'")
    assert again.exit_code == 0, again.stderr
    assert again.stdout.endswith("2 workflows: 0 written, 2 kept, 0 failed\n")
    assert closed.stat().st_mtime_ns == written
    return {file.name.partition(".")[0] for file in folder.glob("*.json")}


@pytest.mark.parametrize("server", ["real", "simulated"])
def test_pulled_histories_are_what_the_temporal_command_exports(
    pulled: dict[str, Path], server: str
) -> None:
    [file] = pulled[server].glob("shout-c.*")
    exported = History.load(pulled[server] / "exported.json")
    assert History.load(file).recorded == exported.recorded
    assert exported.result == "C"


def test_histories_of_the_real_server_are_equal_to_ours(pulled: dict[str, Path]) -> None:
    for workflow_id in ("shout-a_b", "shout-c", "nap"):
        files = [next(folder.glob(f"{workflow_id}.*")) for folder in pulled.values()]
        ended = history_of("diff", *files)
        assert ended == Ended(0, "The histories are equal.\n", "")


async def start_orphans(address: str) -> None:
    """An open workflow and a closed one, without a worker."""
    client = await Client.connect(address)
    for workflow_id in ("open", "closed"):
        await client.start_workflow("Nap", 1, id=workflow_id, task_queue="nobody")
    await client.get_workflow_handle("closed").terminate()


def test_pull_mends_what_is_broken_and_tells_what_it_cannot_write(tmp_path: Path) -> None:
    with served() as address:
        asyncio.run(start_orphans(address))
        assert history_of("pull", "--address", address, "--out", tmp_path).exit_code == 0
        [closed] = tmp_path.glob("closed.*.json")
        closed.write_text('{"events": [')
        again = history_of("pull", "--address", address, "--out", tmp_path)
        assert again.stdout.splitlines()[-1] == "2 workflows: 2 written, 0 kept, 0 failed"
        assert History.load(closed).status == "terminated"

        [still_open] = tmp_path.glob("open.*.json")
        still_open.unlink()
        still_open.mkdir()
        failed = history_of("pull", "--address", address, "--out", tmp_path)
        assert failed.exit_code == 1
        assert failed.stdout.splitlines()[-1] == "2 workflows: 0 written, 1 kept, 1 failed"
        unreachable = history_of(
            "pull", "--address", address, "--namespace", "x", "--out", tmp_path
        )
        assert unreachable.exit_code == 1
        assert "Namespace x is not found" in unreachable.stderr
        malformed = history_of(
            "pull", "--address", address, "--query", "StartTime = ", "--out", tmp_path
        )
        assert (malformed.exit_code, malformed.stdout) == (1, "")
        assert f"Error: {address}: the query 'StartTime = ': invalid query: " in malformed.stderr


def test_pulled_histories_are_replayed(pulled: dict[str, Path]) -> None:
    ended = history_of("replay", pulled["real"], *_WORKFLOWS, "--processes", "1")
    assert (ended.exit_code, ended.stderr) == (0, "")
    *told, summary = ended.stdout.splitlines()
    assert summary == "4 histories: 4 replayed, 0 failed, 0 broken"
    assert {line.split(".")[0].split()[1] for line in told} == {
        "exported",
        "nap",
        "shout-a_b",
        "shout-c",
    }


def changed(history: Path, **names: str) -> str:
    """The history with other texts in the place of some."""
    text = history.read_text("utf-8")
    for old, new in names.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    return text


@pytest.fixture
def mixed(pulled: dict[str, Path], tmp_path: Path) -> Path:
    """A folder with a good history, two that fail, and three broken files."""
    good = pulled["simulated"] / "exported.json"
    (tmp_path / "good.json").write_text(good.read_text("utf-8"))
    (tmp_path / "changed.json").write_text(changed(good, shout="whisper"))
    (tmp_path / "unknown.json").write_text(changed(good, Shout="Whisper"))
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper/empty.json").write_text("")
    part: dict[str, Any] = json.loads(good.read_text("utf-8"))
    (tmp_path / "part.json").write_text(json.dumps({"events": part["events"][3:]}))
    (tmp_path / "other.json").write_text('{"kind": "something else"}')
    return tmp_path


@pytest.mark.parametrize("processes", ["1", "2"])
def test_each_history_is_told_and_the_rest_goes_on(mixed: Path, processes: str) -> None:
    ended = history_of("replay", mixed, *_WORKFLOWS, "--processes", processes)
    assert ended.exit_code == 1
    lines = ended.stdout.splitlines()
    assert lines[-1] == "6 histories: 1 replayed, 2 failed, 3 broken"
    assert "replayed good" in lines
    assert "failed   unknown: there is no workflow 'Whisper'; there are: Nap, Shout" in lines
    assert "failed   changed: workflow 'shout-c' (Shout) is not deterministic:" in lines
    told = {line.split(": ")[0]: line for line in lines if line.startswith("broken")}
    assert "this is not JSON" in told["broken   deeper/empty"]
    assert "it does not begin with the start of a workflow" in told["broken   part"]
    assert 'no history: it has no list of "events"' in told["broken   other"]


def test_command_that_is_interrupted_tells_how_far_it_came(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replay_one(*_: object) -> Iterator[ReplayedFile]:
        yield ReplayedFile("good", Verdict.REPLAYED)
        raise KeyboardInterrupt

    monkeypatch.setattr(history_cli, "_replayed", replay_one)
    assert history_of("replay", mixed, *_WORKFLOWS, "--quiet") == Ended(
        130, "6 histories: 1 replayed, 0 failed, 0 broken\n", "Interrupted.\n"
    )

    async def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(history_cli, "_pull", interrupted)
    assert history_of("pull", "--address", "127.0.0.1:1", "--out", mixed) == Ended(
        130, "", "Interrupted. Run again, it goes on where it was.\n"
    )


@pytest.mark.slow
def test_process_that_dies_is_told_and_replaced(mixed: Path) -> None:
    (mixed / "deadly.py").write_text(
        "import os\n"
        "from temporalio import workflow\n"
        "@workflow.defn(name='Shout', sandboxed=False)\n"
        "class Deadly:\n"
        "    @workflow.run\n"
        "    async def run(self, word: str) -> None:\n"
        "        os._exit(3)\n"
    )
    command = (sys.executable, "-m", "timeskip.cli", "history", "replay", ".")
    ended = subprocess.run(
        [*command, "--workflows", "deadly", "--processes", "2"],
        cwd=mixed,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    lines = ended.stdout.splitlines()
    died = "the process that replayed it died (exit code 3)"
    assert f"failed   good: {died}" in lines
    assert f"failed   changed: {died}" in lines
    assert lines[-1] == "6 histories: 0 replayed, 3 failed, 3 broken"
    assert ended.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("replay", ".", "--workflows", "no.such.module"), "cannot import no.such.module"),
        (("replay", ".", "--workflows", "json"), "there is no workflow in json"),
        (("replay", ".", "--workflows", "json:dumps"), "json:dumps is not a workflow"),
        (("replay", ".", "--workflows", "json:gone"), "json has no gone"),
        (("replay", "gone", *_WORKFLOWS), "'gone' does not exist"),
        (("show", "gone.json"), "'gone.json' does not exist"),
        (("pull", "--address", "127.0.0.1:1", "--out", "."), "127.0.0.1:1: "),
    ],
)
def test_bad_arguments_are_refused(
    arguments: tuple[str, ...], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    ended = history_of(*arguments)
    assert ended.exit_code != 0
    assert complaint in ended.stderr


def test_names_that_the_terminal_does_not_take_are_told(tmp_path: Path) -> None:
    (tmp_path / "gänse.json").write_text("{}")
    runner = CliRunner(charset="ascii")
    arguments = ["replay", str(tmp_path), *_WORKFLOWS, "--processes", "1"]
    result = runner.invoke(history, arguments, catch_exceptions=False)
    assert r"broken   g\xe4nse: " in result.output


def test_timeline_is_shown(pulled: dict[str, Path]) -> None:
    ended = history_of("show", pulled["real"] / "exported.json")
    assert ended.exit_code == 0
    first, *lines = ended.stdout.splitlines()
    assert first == "Shout shout-c, 11 events, completed"
    assert any("activity" in line and '→ "C"' in line for line in lines)


def test_events_are_shown(mixed: Path) -> None:
    for file in ("good.json", "part.json"):
        ended = history_of("show", mixed / file, "--events")
        assert ended.exit_code == 0
        last = ended.stdout.splitlines()[-1]
        assert "11" in last.split()
        assert 'WorkflowExecutionCompleted {result: {payloads: ["C"]}' in last


def test_broken_file_is_not_shown(mixed: Path) -> None:
    ended = history_of("show", mixed / "other.json")
    assert ended.exit_code == 1
    assert "no history" in ended.stderr


def test_difference_is_told(mixed: Path) -> None:
    files = (mixed / "good.json", mixed / "changed.json")
    ended = history_of("diff", *files)
    assert ended.exit_code == 1
    assert ended.stdout.splitlines()[:4] == [
        "The histories differ at 5 ActivityTaskScheduled:",
        "  activity_task_scheduled_event_attributes.activity_type.name",
        "    expected: 'shout'",
        "    actual:   'whisper'",
    ]
    commands = history_of("diff", *files, "--commands")
    assert "The commands differ at 1 ActivityTaskScheduled:" in commands.stdout


def test_what_is_ignored_can_be_kept(mixed: Path) -> None:
    good = mixed / "good.json"
    later = good.read_text("utf-8").replace('"identity": "', '"identity": "another ')
    (mixed / "later.json").write_text(later)
    assert history_of("diff", good, mixed / "later.json").exit_code == 0
    kept = history_of("diff", good, mixed / "later.json", "--keep", "identities")
    assert kept.exit_code == 1
