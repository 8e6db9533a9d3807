"""The real Temporal dev server as a process."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conformance_cli.session import program


@contextmanager
def dev_server() -> Iterator[str]:
    """A fresh dev server for the block; its address."""
    port = _free_port()
    process = subprocess.Popen(
        [
            program(),
            "server",
            "start-dev",
            "--headless",
            "--port",
            str(port),
            "--log-level",
            "never",
            # The dev server's ten listings a second are fewer than a session makes.
            "--dynamic-config-value",
            "frontend.namespaceRPS.visibility=100000",
            # What timeskip can do and the dev server keeps for those who ask for it.
            "--dynamic-config-value",
            "frontend.WorkflowPauseEnabled=true",
            # A batch is still running for a moment after its work is done.
            "--dynamic-config-value",
            "frontend.MaxConcurrentBatchOperationPerNamespace=100",
            # Otherwise lists show a deleted run for up to a minute.
            "--dynamic-config-value",
            "history.transferProcessorEnsureCloseBeforeDelete=false",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            _wait_for_announcement(process)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


def _wait_for_announcement(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Temporal Server:"):
            return
    raise RuntimeError(f"the dev server did not start, exit code {process.wait()}")
