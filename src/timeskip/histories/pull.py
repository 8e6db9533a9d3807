"""Histories of a running Temporal server, downloaded into a folder."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from temporalio.api.history.v1 import History as Recorded
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from timeskip.errors import HistoryUnreadable
from timeskip.histories.history import History, read_history

_KEPT_OF_IDS = re.compile(r"[^\w.=+@-]+")
#: Bytes: file systems mostly allow 255 for a name.
_LONGEST_ID = 120

#: What no file of Windows may be called, whatever its ending.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)

_NOT_CLOSED = (WorkflowExecutionStatus.RUNNING, None)


class Pulled(Enum):
    """What came of one run."""

    WRITTEN = "written"
    KEPT = "kept"
    FAILED = "failed"


@dataclass(frozen=True)
class PulledRun:
    """A run of the server, and what came of its history."""

    name: str
    """The name of its file in the folder, without its ending."""
    result: Pulled
    message: str = ""


async def pull_histories(
    client: Client, query: str, folder: Path, *, concurrency: int, limit: int | None = None
) -> AsyncIterator[PulledRun]:
    """Write the history of each run that the query finds into the folder, a file each.

    A file that an earlier pull has written is kept if its run had closed by then. So an interrupted
    pull goes on where it was. What fails for one run is told, and the others go on for as long as
    there is a server.

    Args:
        client: A client of the server, of the namespace.
        query: A list filter, such as "WorkflowType = 'Order'"; empty for every run.
        folder: Made if it is missing.
        concurrency: How many histories are fetched at a time.
        limit: How many runs at most.

    Raises:
        RPCError: The server does not list the runs, or does not answer any more.
    """
    underway: set[asyncio.Task[PulledRun]] = set()
    done: set[asyncio.Task[PulledRun]] = set()
    try:
        async for run in client.list_workflows(query, limit=limit):
            underway.add(asyncio.create_task(_pull(client, run, folder)))
            while len(underway) >= concurrency:
                done, underway = await asyncio.wait(underway, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        while underway:
            done, underway = await asyncio.wait(underway, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in underway:
            task.cancel()
        # So that none is left whose failure nobody has seen.
        await asyncio.gather(*underway, *done, return_exceptions=True)


async def _pull(client: Client, run: WorkflowExecution, folder: Path) -> PulledRun:
    name = file_name(run.id, run.run_id)
    file = folder / f"{name}.json"
    handle = client.get_workflow_handle(run.id, run_id=run.run_id)
    try:
        if run.status not in _NOT_CLOSED and _is_complete(file):
            return PulledRun(name, Pulled.KEPT)
        fetched = await handle.fetch_history()
        History(Recorded(events=fetched.events)).save(file)
    except (RPCError, OSError) as error:
        if isinstance(error, RPCError) and error.status is RPCStatusCode.UNAVAILABLE:
            raise  # the SDK has tried for ten seconds
        return PulledRun(name, Pulled.FAILED, str(error))
    return PulledRun(name, Pulled.WRITTEN)


def file_name(workflow_id: str, run_id: str) -> str:
    """Both ids, without what file systems do not take. Run ids alone tell runs apart.

    None is that of a hidden file or of a device, or looks like an option of a command.
    """
    name = re.sub(r"^[.-]", "_", _KEPT_OF_IDS.sub("_", workflow_id))
    if _RESERVED.match(name):
        name = f"_{name}"
    return f"{name.encode()[:_LONGEST_ID].decode(errors='ignore')}.{run_id}"


def _is_complete(file: Path) -> bool:
    """Whether an earlier pull has written all of a run's history."""
    if not file.exists():
        return False
    try:
        return History(read_history(file)).status != "open"
    except HistoryUnreadable:
        return False
