"""The `golden_history` fixture: where its files are, and what pytest tells of them in the end."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from timeskip.histories import GoldenHistory, GoldenOutcome

#: Bytes: file systems mostly allow 255 for a name.
_LONGEST_NAME = 120

#: Of one session, whichever process.
_SESSION = pytest.StashKey["GoldenHistories"]()


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    """Register the option and the ini key."""
    group.addoption(
        "--update-histories",
        action="store_true",
        help="Write the golden histories that are missing or not equal to those of this run.",
    )
    parser.addini(
        "timeskip_histories",
        "Folder of golden histories, relative to the test module's own (default: histories).",
        default="histories",
    )


def configure(config: pytest.Config) -> None:
    """Begin to count which golden histories are used."""
    config.stash[_SESSION] = session = GoldenHistories(config)
    config.pluginmanager.register(session, "timeskip-golden-histories")


@pytest.fixture
def golden_history(request: pytest.FixtureRequest) -> GoldenHistory:
    """The recorded history of this test, to be compared with `==`.

    It is in `histories/<module>/<test>.json` beside the test's module; `golden_history("name")` is
    another one, in `<test>-name.json`. `pytest --update-histories` writes what is missing or differs.
    """
    sim = request.getfixturevalue("sim") if "sim" in request.fixturenames else None
    return request.config.stash[_SESSION].of(request.node, sim)


class GoldenHistories:
    """All golden histories that a session knows of: used, written, and used by nobody."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._root = config.rootpath
        #: Paths as text: under xdist they are sent from the workers.
        self._used: set[str] = set()
        self._written: dict[str, str] = {}
        #: For each folder of a module's golden histories, the tests that may use it.
        self._owners: dict[str, list[str]] = {}
        self._partial: set[str] = set()
        self._passed: set[str] = set()

    def of(self, item: pytest.Item, sim: Any) -> GoldenHistory:
        """The golden history of a test."""
        path = self._folder(item) / f"{_file_name(item)}.json"
        return GoldenHistory(
            path,
            shown=self._shown(path),
            command=f'pytest "{item.nodeid}" --update-histories',
            update=self._config.getoption("--update-histories"),
            replay=None if sim is None else sim.replay_failure,
            report=self._note,
        )

    def _folder(self, item: pytest.Item) -> Path:
        histories: str = self._config.getini("timeskip_histories")
        return item.path.parent / histories / item.path.stem

    def _shown(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix() if self._root in path.parents else str(path)

    def _note(self, outcome: GoldenOutcome) -> None:
        self._used.add(str(outcome.path))
        if outcome.written:
            self._written[str(outcome.path)] = outcome.written

    # -- what has run -------------------------------------------------------------------------

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        for item in items:
            self._owners.setdefault(str(self._folder(item)), []).append(item.nodeid)
        if any("::" in argument for argument in self._config.args):
            self._partial.update(self._owners)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self._partial.update(str(self._folder(item)) for item in items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Tell in full why recorded histories were not replayed; assertions are cut short."""
        report = yield
        golden = getattr(item, "funcargs", {}).get("golden_history")
        if report.when == "call" and report.failed and isinstance(golden, GoldenHistory):
            for shown, failure in golden.replay_failures.items():
                report.sections.append((f"replay of {shown}", str(failure)))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["timeskip_golden"] = (
                sorted(self._used),
                self._written,
                self._owners,
                sorted(self._partial),
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of xdist has ended."""
        used, written, owners, partial = getattr(node, "workeroutput", {}).get(
            "timeskip_golden", ((), {}, {}, ())
        )
        self._used.update(used)
        self._written.update(written)
        self._owners.update(owners)
        self._partial.update(partial)

    # -- the end ------------------------------------------------------------------------------

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        unused = list(self._unused())
        if not (unused or self._written):
            return
        terminalreporter.section("golden histories")
        for path in sorted(self._written):
            terminalreporter.line(f"wrote {self._shown(Path(path))}: {self._written[path]}")
        for file in unused:
            terminalreporter.line(f"unused {self._shown(file)}: no test compares with it")

    def _unused(self) -> Iterator[Path]:
        """Files that nobody used although all tests that might have passed."""
        for folder in sorted(self._owners):
            owners = self._owners[folder]
            if folder not in self._partial and self._passed.issuperset(owners):
                for file in sorted(Path(folder).glob("*.json")):
                    if str(file) not in self._used:
                        yield file


def _file_name(item: pytest.Item) -> str:
    """The test's name, with its class, without what file systems do not take."""
    name = item.nodeid.partition("::")[2].replace("::", ".")
    return GoldenHistory.in_file_name(name, longest=_LONGEST_NAME)
