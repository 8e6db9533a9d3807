"""Histories of a running server, downloaded: names of files, and a server that goes away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from timeskip.histories.pull import Pulled, file_name, pull_histories

_LONGEST_NAME = 255


@pytest.mark.parametrize(
    "workflow_id",
    ["a/b\\c", "../../etc/passwd", ".hidden", "-option", "漢" * 300, "é" * 61, "\n", "😀"],
)
def test_file_of_any_workflow_is_a_visible_file_of_the_folder(
    workflow_id: str, tmp_path: Path
) -> None:
    file = tmp_path / f"{file_name(workflow_id, 'run')}.json"
    file.write_text("{}", encoding="utf-8")
    assert [file] == list(tmp_path.iterdir())
    assert file.name[0] not in ".-"
    assert len(file.name.encode()) < _LONGEST_NAME


def test_file_is_named_by_both_ids() -> None:
    assert file_name("order-é.1", "run") == "order-é.1.run"
    assert file_name("console", "run") == "console.run"


@pytest.mark.parametrize("workflow_id", ["CON", "con.1", "Lpt1"])
def test_file_is_not_named_like_a_device(workflow_id: str) -> None:
    assert file_name(workflow_id, "run") == f"_{workflow_id}.run"


class _Server:
    """Lists runs, and fails when it is asked for the history of one."""

    def __init__(self, runs: int, status: RPCStatusCode) -> None:
        self._runs = runs
        self._status = status
        self.asked = 0

    async def list_workflows(self, query: str, limit: int | None) -> AsyncIterator[Any]:
        for number in range(self._runs):
            yield SimpleNamespace(
                id="order", run_id=str(number), status=WorkflowExecutionStatus.RUNNING
            )

    def get_workflow_handle(self, workflow_id: str, *, run_id: str) -> Any:
        return self

    async def fetch_history(self) -> Any:
        self.asked += 1
        raise RPCError("no", self._status, b"")


async def _pulled(server: _Server, folder: Path) -> list[Pulled]:
    pulling = pull_histories(cast(Client, server), "", folder, concurrency=2)
    return [run.result async for run in pulling]


@pytest.mark.asyncio
async def test_pull_goes_on_after_a_run_that_it_does_not_get(tmp_path: Path) -> None:
    server = _Server(5, RPCStatusCode.NOT_FOUND)
    assert await _pulled(server, tmp_path) == [Pulled.FAILED] * 5


@pytest.mark.asyncio
async def test_pull_ends_when_the_server_has_gone(tmp_path: Path) -> None:
    server = _Server(1_000, RPCStatusCode.UNAVAILABLE)
    with pytest.raises(RPCError):
        await _pulled(server, tmp_path)
    assert server.asked <= 3
