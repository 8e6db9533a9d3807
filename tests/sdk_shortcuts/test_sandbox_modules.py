"""Modules that the sandbox imports again: as new as ever, though their code is remembered."""

from __future__ import annotations

import cProfile
import gc
import importlib
import inspect
import os
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from timeskip import Simulation
from timeskip.lanes.collector import nothing_collected
from timeskip.sdk_shortcuts import sandbox_modules

pytestmark = pytest.mark.asyncio

_MODULE = """
import importlib.resources
import pathlib

from temporalio import workflow

WORD = {word!r}
SEEN = []
LOADED_BY = type(__loader__).__name__
SOURCE = __loader__.get_source(__name__)


@workflow.defn
class Telling:
    @workflow.run
    async def run(self) -> list[str]:
        SEEN.append(WORD)
        return SEEN

    @workflow.update
    async def change(self, word: str) -> str:
        return word

    @change.validator
    def check(self, word: str) -> None:
        if not word:
            raise ValueError("no word")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module of workflows that can be written again, imported outside of the sandbox."""
    _write(tmp_path, "first")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("told_by_sandbox")
    del sys.modules["told_by_sandbox"]


def _write(folder: Path, word: str) -> None:
    file = folder / "told_by_sandbox.py"
    file.write_text(_MODULE.format(word=word), encoding="utf-8")
    # Written in the same instant, it is another file all the same.
    written = file.stat().st_mtime_ns + len(word) * 1_000_000_000
    os.utime(file, ns=(written, written))


async def _told(module: Any, runs: int = 1) -> list[list[str]]:
    async with Simulation() as sim, sim.worker(workflows=[module.Telling]):
        return [
            await sim.client.execute_workflow(
                module.Telling.run, id=f"telling-{run}", task_queue=sim.task_queue
            )
            for run in range(runs)
        ]


def keeping(modules: list[Any]) -> SandboxedWorkflowRunner:
    """A runner that keeps the module of each sandbox that it makes."""

    class Keeping(SandboxedWorkflowRunner):
        def create_instance(self, det: Any) -> Any:
            instance: Any = super().create_instance(det)
            modules.append(instance.importer.new_modules["told_by_sandbox"])
            return instance

    return Keeping()


async def test_every_run_has_a_module_of_its_own(module: Any) -> None:
    assert await _told(module, runs=4) == [["first"]] * 4
    assert module.SEEN == []


async def test_a_module_that_was_written_again_is_read_again(module: Any, tmp_path: Path) -> None:
    await _told(module, runs=2)
    _write(tmp_path, "second")
    assert await _told(module, runs=2) == [["second"]] * 2


async def test_a_module_of_the_same_name_elsewhere_is_another(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _told(module, runs=2)
    (tmp_path / "elsewhere").mkdir()
    _write(tmp_path / "elsewhere", "other!")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    del sys.modules["told_by_sandbox"]
    other = importlib.import_module("told_by_sandbox")
    assert await _told(other, runs=2) == [["other!"]] * 2


async def test_a_profiler_is_left_in_its_place(module: Any) -> None:
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        assert await _told(module, runs=3) == [["first"]] * 3
    finally:
        profiler.disable()
    assert any("told_by_sandbox" in str(each.code) for each in profiler.getstats())


async def test_what_a_module_sees_of_its_loader_is_the_same_each_time(module: Any) -> None:
    seen: list[Any] = []
    async with Simulation() as sim:
        worker = sim.worker(workflows=[module.Telling], workflow_runner=keeping(seen))
        async with worker:
            for run in range(2):
                await sim.client.execute_workflow(
                    module.Telling.run, id=f"telling-{run}", task_queue=sim.task_queue
                )
    source = inspect.getsource(module)
    assert len({id(each) for each in seen}) == len(seen) > 2
    for each in seen:
        assert source == each.SOURCE
        assert each.__spec__.origin == each.__file__ == module.__file__


async def test_a_module_that_cannot_be_imported_says_so_each_time(
    module: Any, tmp_path: Path
) -> None:
    file = tmp_path / "told_by_sandbox.py"
    broken = file.read_text(encoding="utf-8") + "\nraise LookupError('broken on purpose')\n"
    file.write_text(broken, encoding="utf-8")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="Failed validating workflow Telling") as refused:
            await _told(module)
        assert "broken on purpose" in str(refused.value.__cause__)


async def test_update_methods_are_still_known_by_all_that_makes_one(module: Any) -> None:
    async with Simulation() as sim, sim.worker(workflows=[module.Telling]):
        start = WithStartWorkflowOperation(
            module.Telling.run,
            id="telling",
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            task_queue=sim.task_queue,
        )
        changed = await sim.client.execute_update_with_start_workflow(
            module.Telling.change, "new", start_workflow_operation=start
        )
        assert changed == "new"


async def test_a_module_in_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("told_from_archive.py", _MODULE.format(word="zipped"))
    monkeypatch.syspath_prepend(str(tmp_path / "archive.zip"))
    archived = importlib.import_module("told_from_archive")
    try:
        assert await _told(archived, runs=2) == [["zipped"]] * 2
    finally:
        del sys.modules["told_from_archive"]


async def test_sandboxes_of_other_environments_stay_as_they_are(module: Any) -> None:
    await _told(module, runs=2)
    seen: list[Any] = []
    keeping(seen).prepare_workflow(workflow._Definition.must_from_class(module.Telling))
    (imported,) = seen
    assert type(imported.__spec__.loader) is type(module.__spec__.loader)


async def test_nothing_is_collected_while_source_is_read(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OfThread(threading.local):
        """Others may stop the collector as well, at any time."""

        is_stopped = False

    here = OfThread()
    while_read: list[bool] = []
    while_run: list[bool] = []
    get_code, get_source = SourceFileLoader.get_code, SourceFileLoader.get_source

    @contextmanager
    def noted() -> Iterator[None]:
        with nothing_collected():
            here.is_stopped = True
            try:
                yield
            finally:
                here.is_stopped = False

    def read(self: SourceFileLoader, name: str) -> Any:
        if name == module.__name__:
            while_read.append(here.is_stopped and not gc.isenabled())
        return get_code(self, name)

    def run(self: SourceFileLoader, name: str) -> Any:
        """The module's own code calls this."""
        if name == module.__name__:
            while_run.append(here.is_stopped)
        return get_source(self, name)

    monkeypatch.setattr(sandbox_modules, "nothing_collected", noted)
    monkeypatch.setattr(SourceFileLoader, "get_code", read)
    monkeypatch.setattr(SourceFileLoader, "get_source", run)
    assert await _told(module) == [["first"]]
    assert while_read
    assert all(while_read)
    assert while_run
    assert not any(while_run)
