"""Finds the Hypothesis tests that use `sim`, and has each example run with a simulation of its own.

Nothing here imports Hypothesis, which takes its time: a session without such tests does without.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

import timeskip
from pytest_timeskip import crash_sweeps

if TYPE_CHECKING:
    from pytest_timeskip.examples import Example

EXAMPLE: pytest.StashKey[Example] = pytest.StashKey()
"""Of the test that is run within a Hypothesis test for one of its examples."""


class FuzzedTests:
    """Replaces what pytest and its plugins have collected of such tests."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pycollect_makeitem(self) -> Generator[None, Any, Any]:
        made = yield
        if not isinstance(made, list):
            return made
        return [_replaced(each) if _is_fuzzed(each) else each for each in made]


def begin(request: pytest.FixtureRequest, simulation: timeskip.Simulation) -> bool:
    """Give a simulation the faults of its example. Whether it may have those of the option, too."""
    example = request.node.stash.get(EXAMPLE, None)
    return example is None or example.begin(simulation)


def check(
    item: pytest.Item, simulation: timeskip.Simulation, replay: Callable[[], None] | None
) -> bool:
    """Fail an example if its workflows are not what they are without faults. Whether it is one."""
    __tracebackhide__ = True
    example = item.stash.get(EXAMPLE, None)
    if example is None:
        return False
    example.check(simulation, replay)
    return True


def _is_fuzzed(item: object) -> bool:
    return (
        isinstance(item, pytest.Function)
        and "sim" in item.fixturenames
        # Those that Hypothesis has not refused already.
        and hasattr(item.obj, "_hypothesis_internal_use_settings")
        and hasattr(item.obj, "hypothesis")
    )


def _replaced(item: pytest.Function) -> pytest.Function:
    from pytest_timeskip.examples import FuzzedTest

    if item.get_closest_marker(crash_sweeps.MARKER) is not None:
        raise pytest.Collector.CollectError(
            f"{item.name}: a test cannot have both crash_sweep and @given: a sweep chooses one crash "
            "after the other, `@given(plan=timeskip.fuzzing.fault_plans())` several at once"
        )
    return FuzzedTest.in_place_of(item)
