"""Shared by all tests."""

from __future__ import annotations

import os
import sysconfig

import pytest
from hypothesis import settings

from timeskip.lanes.selection import LaneName

pytest_plugins = ["pytester"]

# No test is timed: a machine that does something else meanwhile makes none fail.
settings.register_profile("timeskip", settings.default, deadline=None)
settings.load_profile("timeskip")

# The real servers, `temporal` and `temporal-test-server`, stand beside the interpreter, whose
# directory is on the path only if the environment is activated.
os.environ["PATH"] = sysconfig.get_path("scripts") + os.pathsep + os.environ.get("PATH", "")

LANES: tuple[LaneName, ...] = ("direct", "wire")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked `both_lanes` once in each."""
    is_about_lanes = {"sim", "lane"}.intersection(metafunc.fixturenames)
    if is_about_lanes and metafunc.definition.get_closest_marker("both_lanes"):
        metafunc.parametrize(
            (),
            [pytest.param(id=lane, marks=pytest.mark.timeskip(lane=lane)) for lane in LANES],
        )


@pytest.fixture
def lane(request: pytest.FixtureRequest) -> LaneName:
    """The lane that the test runs in, for those that make a simulation of their own."""
    for marker in request.node.iter_markers("timeskip"):
        if "lane" in marker.kwargs:
            chosen: LaneName = marker.kwargs["lane"]
            return chosen
    return LANES[0]
