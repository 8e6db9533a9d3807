"""Remembers the code of modules that the SDK's sandbox imports anew for each workflow run.

Each time they are searched for on the path, read and, where Python writes no bytecode, compiled; and
modules of tests are worked through for their asserts. Their code is the same as long as the file is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import CodeType, FrameType, ModuleType
from typing import Any

from temporalio.worker.workflow_sandbox._importer import _thread_local_sys_modules

from timeskip.lanes.collector import nothing_collected
from timeskip.sdk_shortcuts.sandbox import is_entered


def remember_modules() -> None:
    """From now on, in this process."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


class _RememberingFinder(MetaPathFinder):
    """Finds in the sandbox what has been imported outside of it, and in it, before."""

    def __init__(self) -> None:
        self._known: dict[str, _RememberingLoader] = {}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        file = _file_outside(name) if is_entered() else None
        if file is None:
            return None
        loader = self._known.get(name)
        if loader is not None and loader.is_of(file):
            return loader.spec(name)
        spec = self._found_by_others(name, path, target)
        if spec is None or spec.loader is None or spec.origin != file:
            return spec
        self._known[name] = spec.loader = _RememberingLoader(spec)
        return spec

    def _found_by_others(self, name: str, path: Any, target: Any) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    return spec
        return None


_finder = _RememberingFinder()


def _file_outside(name: str) -> str | None:
    """The file of the module that is imported outside of the sandbox under the name."""
    spec = getattr(_thread_local_sys_modules.orig.get(name), "__spec__", None)
    return spec.origin if spec is not None and spec.has_location else None


class _RememberingLoader(Loader):
    """In the place of a module's loader, and like it but for what it remembers."""

    def __init__(self, spec: ModuleSpec) -> None:
        self._loader: Any = spec.loader
        self._file = str(spec.origin)
        self._locations = spec.submodule_search_locations
        self._version = _version(self._file)
        self._code: CodeType | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def is_of(self, file: str) -> bool:
        """Whether this has the code of that file as it is now."""
        return (
            self._code is not None
            and self._version is not None
            and self._file == file
            and self._version == _version(file)
        )

    def spec(self, name: str) -> ModuleSpec | None:
        locations = None if self._locations is None else list(self._locations)
        return spec_from_file_location(
            name,
            self._file,
            loader=self,
            submodule_search_locations=locations,
        )

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        if self._code is not None:
            exec(self._code, module.__dict__)
        else:
            self._code = _code_run_by(self._loader.exec_module, module)


def _version(file: str) -> tuple[int, int] | None:
    """What changes when the file is written again; None if it is none, but part of an archive."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _code_run_by(execute: Callable[[ModuleType], None], module: ModuleType) -> CodeType | None:
    """What runs as the module's own code, whichever way its loader gets it.

    None if a profiler is in the place from which that can be seen.

    pytest's loader parses the source. If the collector ends something then that is logged with its
    traceback, for which Python parses source, too, the outer parser fails in some versions of Python.
    """
    if sys.getprofile() is not None:
        with nothing_collected():
            execute(module)
        return None
    found: list[CodeType] = []

    def look(frame: FrameType, event: str, argument: object) -> None:
        if frame.f_code.co_name == "<module>" and frame.f_globals is module.__dict__:
            found.append(frame.f_code)
            sys.setprofile(None)
            parsing.close()

    with ExitStack() as parsing:
        parsing.enter_context(nothing_collected())
        sys.setprofile(look)
        try:
            execute(module)
        finally:
            if sys.getprofile() is look:
                sys.setprofile(None)
    return found[0] if found else None
