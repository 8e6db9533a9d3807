"""Who may import whom.

pytest_plugin -> timeskip's public names -> lanes, faults, histories, fuzzing -> server -> clock,
and never the other way. Nothing under src/ knows pytest. The server is a protocol without input or
output of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house.public_names import PUBLIC_MODULES, public_names
from tests.house.source_files import (
    Finding,
    SourceFile,
    broken_by,
    python_files,
    require_none,
    sample,
)

# From the bottom to the top: a module imports from its own layer and from those before it.
LAYERS = (
    ("timeskip.clock",),
    ("timeskip.server",),
    (
        "timeskip.activity_time",
        "timeskip.sdk_exit",
        "timeskip.sdk_shortcuts",
        "timeskip.errors",
        "timeskip.faults",
        "timeskip.fuzzing",
        "timeskip.histories",
        "timeskip.hookspecs",
        "timeskip.lanes",
        "timeskip.timeline",
    ),
    ("timeskip",),
)

PYTEST = ("pytest", "_pytest", "pytest_asyncio", "pytest_timeskip")

# Input, output, concurrency and the machine's own clock: the lanes have them, the server has not.
OUTSIDE_WORLD = (
    "anyio",
    "asyncio",
    "concurrent",
    "grpc",
    "http",
    "multiprocessing",
    "queue",
    "select",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "urllib.request",
)


def imported(source: SourceFile) -> Iterator[tuple[ast.stmt, str, str | None]]:
    """Each import statement's module and, for `from module import name`, the name."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name, None
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = source.module.split(".")
                is_package = source.path.name == "__init__.py"
                kept = base[: len(base) - node.level + is_package]
                module = ".".join([*kept, *filter(None, [node.module])])
            else:
                module = node.module or ""
            for alias in node.names:
                yield node, module, alias.name


def is_within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def layer_of(module: str) -> int:
    return next(height for height, packages in enumerate(LAYERS) if is_within(module, packages))


def upward_imports(source: SourceFile) -> Iterator[Finding]:
    """Imports, in `timeskip`, of something that lies in a higher layer."""
    if not source.is_in("timeskip"):
        return
    own = layer_of(source.module)
    for node, module, name in imported(source):
        if not is_within(module, ("timeskip",)):
            continue
        # `from timeskip import clock` names a module of the bottom layer, not of the top.
        whole = f"{module}.{name}" if name and module == "timeskip" else module
        if layer_of(whole) > own:
            yield source.finding(node, f"{source.module} must not import {whole}")


def pytest_imports(source: SourceFile) -> Iterator[Finding]:
    """Imports of pytest in `timeskip`, which is usable without it."""
    if not source.is_in("timeskip"):
        return
    for node, module, _ in imported(source):
        if is_within(module, PYTEST):
            yield source.finding(node, f"{source.module} must not import {module}")


def outside_world_imports(source: SourceFile) -> Iterator[Finding]:
    """Imports, in the server, of anything that could block, wait or tell the real time."""
    if not source.is_in("timeskip.server"):
        return
    for node, module, _ in imported(source):
        if is_within(module, OUTSIDE_WORLD):
            yield source.finding(node, f"the server does no I/O: it must not import {module}")


def private_imports(source: SourceFile, offered: dict[str, list[str]]) -> Iterator[Finding]:
    """Imports, in the pytest plugin, of what `timeskip` does not offer to everybody."""
    if not source.is_in("pytest_timeskip"):
        return
    for node, module, name in imported(source):
        if not is_within(module, ("timeskip",)):
            continue
        if name is None:
            allowed = module in PUBLIC_MODULES
        else:
            allowed = f"{module}.{name}" in PUBLIC_MODULES or name in offered.get(module, [])
        if not allowed:
            whole = f"{module}.{name}" if name else module
            yield source.finding(node, f"the plugin uses public names only, not {whole}")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/timeskip/server/timers.py", "from timeskip.lanes import wire"),
        ("src/timeskip/server/timers.py", "import timeskip.simulation"),
        ("src/timeskip/server/timers.py", "from timeskip import Simulation"),
        ("src/timeskip/server/timers.py", "from ..lanes.wire import serve"),
        ("src/timeskip/server/__init__.py", "from ..histories import normal"),
        ("src/timeskip/server/timers.py", "def due():\n    import timeskip.faults"),
        ("src/timeskip/clock.py", "from timeskip.server import errors"),
        ("src/timeskip/lanes/wire/service.py", "from timeskip.simulation import Simulation"),
        ("src/timeskip/fuzzing/__init__.py", "import timeskip"),
    ],
)
def test_import_of_a_higher_layer_is_caught(path: str, text: str) -> None:
    assert len(broken_by(upward_imports, sample(path, text))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/timeskip/server/timers.py", "from timeskip import clock"),
        ("src/timeskip/server/timers.py", "from timeskip.server.errors import ServiceError"),
        ("src/timeskip/server/timers.py", "from .errors import ServiceError"),
        ("src/timeskip/lanes/wire/service.py", "from timeskip.server import errors"),
        ("src/timeskip/simulation.py", "from timeskip.lanes import wire"),
        ("src/timeskip/__init__.py", "from timeskip.simulation import Simulation"),
        ("src/timeskip/server/timers.py", "import timeskippers"),
        ("tests/test_timers.py", "import timeskip"),
    ],
)
def test_import_of_a_lower_layer_is_allowed(path: str, text: str) -> None:
    assert broken_by(upward_imports, sample(path, text)) == []


@pytest.mark.parametrize(
    "text",
    ["import pytest", "from _pytest.config import Config", "import pytest_timeskip.plugin"],
)
def test_pytest_under_src_is_caught(text: str) -> None:
    assert len(broken_by(pytest_imports, sample("src/timeskip/simulation.py", text))) == 1


def test_pytest_in_the_plugin_is_allowed() -> None:
    plugin = sample("pytest_plugin/pytest_timeskip/plugin.py", "import pytest")
    assert broken_by(pytest_imports, plugin) == []


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio",
        "from threading import Lock",
        "import grpc.aio",
        "import time",
        "from time import monotonic",
        "def wait():\n    from concurrent.futures import Future",
    ],
)
def test_outside_world_in_the_server_is_caught(text: str) -> None:
    assert len(broken_by(outside_world_imports, sample("src/timeskip/server/run.py", text))) == 1


def test_outside_world_in_a_lane_is_allowed() -> None:
    lane = sample("src/timeskip/lanes/wire/service.py", "import asyncio, grpc, time")
    assert broken_by(outside_world_imports, lane) == []


@pytest.mark.parametrize(
    "text",
    [
        "import timeskip.simulation",
        "from timeskip.server import errors",
        "from timeskip.simulation import Simulation",
        "from timeskip import _runs",
        "from timeskip.histories import _decode",
    ],
)
def test_private_name_in_the_plugin_is_caught(text: str) -> None:
    plugin = sample("pytest_plugin/pytest_timeskip/fixtures.py", text)
    assert len(list(private_imports(plugin, {"timeskip": ["Simulation"]}))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "import timeskip",
        "from timeskip import Simulation",
        "from timeskip import histories",
        "import timeskip.histories",
        "from timeskip.histories import compare",
    ],
)
def test_public_name_in_the_plugin_is_allowed(text: str) -> None:
    plugin = sample("pytest_plugin/pytest_timeskip/fixtures.py", text)
    offered = {"timeskip": ["Simulation"], "timeskip.histories": ["compare"]}
    assert list(private_imports(plugin, offered)) == []


def test_every_import_goes_down_a_layer() -> None:
    require_none(broken_by(upward_imports, *python_files("timeskip")))


def test_nothing_under_src_imports_pytest() -> None:
    require_none(broken_by(pytest_imports, *python_files("timeskip")))


def test_server_imports_nothing_of_the_outside_world() -> None:
    server = python_files("timeskip.server")
    assert len(server) > 1
    require_none(broken_by(outside_world_imports, *server))


def test_plugin_imports_public_names_only() -> None:
    offered = public_names()
    plugin = python_files("pytest_timeskip")
    require_none(broken_by(lambda source: private_imports(source, offered), *plugin))
