"""What goes wrong in simulations that outlast a test, while the test waits for nothing.

It is told with the test in which it happened, and not with the one that waits next.
"""

from __future__ import annotations

import warnings

import pytest

import timeskip


def raise_what_happened(*, besides: timeskip.Simulation | None) -> None:
    """Fail the test for it. What concerns `besides` is told when that ends."""
    for simulation in timeskip.running_simulations():
        if simulation is not besides:
            simulation.check()


def warn_of_what_happened(item: pytest.Item) -> None:
    """The test has ended: it failed for another reason, or what happened did so when it was over."""
    for simulation in timeskip.running_simulations():
        try:
            simulation.check()
        except Exception as error:  # noqa: BLE001, PERF203 - a timed action may raise any
            warnings.warn(
                pytest.PytestWarning(f"{item.nodeid}: {type(error).__name__}: {error}"),
                stacklevel=1,
            )
