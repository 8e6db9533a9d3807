"""The fixture `ledger`, and what a failing `assert` on it tells."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest

import timeskip

_SIMULATION = pytest.StashKey[timeskip.Simulation]()


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[timeskip.Ledger]:
    """An empty `timeskip.Ledger`, of this test's own: what activities have really done.

    Activities that are not given it, and worker processes, find it by `timeskip.Ledger.of_test()`.
    """
    file, path = tempfile.mkstemp(prefix="timeskip-ledger-")
    os.close(file)
    monkeypatch.setenv(timeskip.Ledger.VARIABLE, path)
    try:
        yield timeskip.Ledger(path)
    finally:
        os.unlink(path)


def begin(config: pytest.Config, simulation: timeskip.Simulation) -> None:
    """Know whose faults may be why something was done twice."""
    config.stash[_SIMULATION] = simulation


def explained(config: pytest.Config, op: str, left: object, right: object) -> list[str] | None:
    """Lines for `pytest_assertrepr_compare`; None if no count of a ledger is compared."""
    count = left if isinstance(left, timeskip.LedgerCount) else right
    if not isinstance(count, timeskip.LedgerCount):
        return None
    simulation = config.stash.get(_SIMULATION, None)
    accounts = []
    if simulation is not None and simulation.fault_plan:
        accounts = simulation.faults.accounts
    return [f"{left} {op} {right}", *count.told(accounts)]
