"""The repository's own files, as the house rules see them."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).parents[2]

# Where import packages start; everything else is importable from the repository's root.
_IMPORT_ROOTS = ("src", "pytest_plugin")


class Finding(NamedTuple):
    """A place that breaks a rule."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class SourceFile:
    """A text file of the repository; `path` is relative to its root."""

    path: PurePosixPath
    text: str

    @property
    def is_python(self) -> bool:
        """Whether `tree` can be had."""
        return self.path.suffix == ".py"

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The syntax tree. `SyntaxError` if the text is not Python."""
        return ast.parse(self.text, filename=str(self.path))

    @property
    def module(self) -> str:
        """The dotted name that the file is imported by: `timeskip.server.errors`."""
        parts = self.path.with_suffix("").parts
        if parts[0] in _IMPORT_ROOTS:
            parts = parts[1:]
        if parts[-1] == "__init__":
            parts = parts[:-1]
        return ".".join(parts)

    def is_in(self, package: str) -> bool:
        """Whether the file belongs to the import package `package` or is that module."""
        return self.module == package or self.module.startswith(package + ".")

    def finding(self, node: ast.AST | int, message: str) -> Finding:
        """Something that breaks a rule at `node`, or at a line number."""
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        return Finding(str(self.path), line, message)


Rule = Callable[[SourceFile], Iterable[Finding]]


def sample(path: str, text: str) -> SourceFile:
    """A file that exists in a test only."""
    return SourceFile(PurePosixPath(path), text)


@functools.cache
def repository_files() -> tuple[SourceFile, ...]:
    """Every text file that is tracked by git or would be if it were added now."""
    return tuple(_readable(sorted(_tracked_names() or _names_on_disk())))


def _tracked_names() -> set[str]:
    """What git knows of; nothing outside a clone, as in an unpacked source distribution."""
    # Whoever owns the clone: a CI machine may have fetched it as somebody else.
    command = "git -c safe.directory=* ls-files -z --cached --others --exclude-standard"
    try:
        listing = subprocess.run(
            command.split(),
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return set()
    return set(filter(None, listing.split("\0")))


def _names_on_disk() -> set[str]:
    """The files of the project's own folders, but for what tools leave in them."""
    tops = [path for path in REPOSITORY.iterdir() if not path.name.startswith(".")]
    paths = [path for top in tops for path in (top.rglob("*") if top.is_dir() else [top])]
    return {
        path.relative_to(REPOSITORY).as_posix()
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    }


def _readable(names: Iterable[str]) -> Iterator[SourceFile]:
    for name in names:
        path = REPOSITORY / name
        if not path.is_file():  # deleted and not committed yet
            continue
        try:
            yield SourceFile(PurePosixPath(name), path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            continue  # a picture or another binary: no rule reads it


def python_files(*packages: str) -> list[SourceFile]:
    """The Python files of the repository, or of these import packages only."""
    return [
        source
        for source in repository_files()
        if source.is_python and (not packages or any(map(source.is_in, packages)))
    ]


def broken_by(rule: Rule, *sources: SourceFile) -> list[str]:
    """What the rule finds in these files, a line each."""
    return [str(finding) for source in sources for finding in rule(source)]


def require_none(found: list[str]) -> None:
    """Fail the test with everything that was found, a line each."""
    if found:
        pytest.fail("\n".join(found), pytrace=False)
