"""Who is compared: each peer is an environment whose clock skips time."""

import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from temporalio.testing import WorkflowEnvironment

from timeskip import Simulation


@dataclass(frozen=True)
class Peer:
    """An environment to compare, and how to start one."""

    name: str
    start: Callable[[], Awaitable[WorkflowEnvironment]]
    batch: int = 20
    """How many workflows, or rounds of one, make a sample of a fraction of a second."""
    rounds: int | None = None
    """How many rounds it takes part in, if not in all."""


async def _start_java() -> WorkflowEnvironment:
    return await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=shutil.which("temporal-test-server")
    )


async def _start_dev_server() -> WorkflowEnvironment:
    return await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=shutil.which("temporal"),
        dev_server_extra_args=[
            "--dynamic-config-value",
            "frontend.WorkflowTimeSkippingEnabled=true",
        ],
    )


async def _start_wire() -> WorkflowEnvironment:
    return await Simulation(lane="wire").__aenter__()


async def _start_direct() -> WorkflowEnvironment:
    return await Simulation(lane="direct").__aenter__()


JAVA = Peer("java", _start_java)
DIRECT = Peer("direct", _start_direct, batch=50)
PEERS = {
    peer.name: peer
    for peer in (
        JAVA,
        Peer("dev-server", _start_dev_server, batch=2, rounds=1),
        Peer("wire", _start_wire),
        DIRECT,
    )
}
