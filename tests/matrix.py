"""`python -m tests.matrix`: the suite with the oldest and the newest SDK, on the oldest and newest Python.

What is supported stands in pyproject.toml. Interpreters are looked for on the path and asked of pyenv if
that is there; `PYTHONS` may name others. Combinations that this machine cannot offer are skipped, and
said to be. Arguments go to pytest.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

_ROOT = Path(__file__).parents[1]
_ENVIRONMENTS = _ROOT / ".venv-matrix"
_PYTHON = "Programming Language :: Python :: 3."

#: They are about the API of the one version of the SDK that `make docs` reads.
_NOT_FOR_EVERY_SDK = (
    "tests/house/test_no_option_is_ignored.py",
    "tests/house/test_support_page.py",
)


def supported_pythons() -> tuple[str, str]:
    """The oldest and the newest, such as "3.10" and "3.13"."""
    metadata = importlib.metadata.metadata("timeskip")
    minors = [
        int(classifier.removeprefix(_PYTHON))
        for classifier in metadata.get_all("Classifier", [])
        if classifier.startswith(_PYTHON)
    ]
    return f"3.{min(minors)}", f"3.{max(minors)}"


def supported_sdks() -> tuple[str, str]:
    """What to ask pip for: the oldest, and the newest there is."""
    for line in importlib.metadata.requires("timeskip") or ():
        requirement = Requirement(line)
        if requirement.name == "temporalio" and requirement.marker is None:
            return f"temporalio=={_oldest(requirement.specifier)}", str(requirement)
    raise LookupError("timeskip does not say which versions of temporalio it supports")


def interpreter(version: str) -> str | None:
    """A Python of that version which starts; None if there is none here."""
    for candidate in _candidates(version):
        tell = "import sys; print('%d.%d' % sys.version_info[:2])"
        told = subprocess.run([candidate, "-c", tell], capture_output=True, text=True)
        if told.returncode == 0 and told.stdout.strip() == version:
            return candidate
    return None


def main(arguments: list[str]) -> int:
    """Runs every combination once; returns 1 if one of them failed."""
    failed: list[str] = []
    done: set[tuple[str, str]] = set()
    for version in dict.fromkeys(supported_pythons()):
        python = interpreter(version)
        if python is None:
            print(
                f"--- skipped: there is no Python {version} here (name it in PYTHONS)", flush=True
            )
            continue
        for sdk, asked in zip(("oldest", "newest"), supported_sdks(), strict=True):
            environment = _environment(python, f"{version}-{sdk}", asked)
            installed = _sdk_of(environment)
            if (version, installed) in done:
                print(f"--- skipped: temporalio {installed} is the {sdk}, too", flush=True)
                continue
            done.add((version, installed))
            combination = f"Python {version} with temporalio {installed}"
            print(f"--- {combination}", flush=True)
            if not _passes(environment, arguments):
                failed.append(combination)
    print(f"--- failed: {', '.join(failed)}" if failed else "--- passed", flush=True)
    return bool(failed)


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    yield from os.environ.get("PYTHONS", "").split()
    name = f"python{version}"
    on_path = shutil.which(name)
    if on_path is not None:
        yield on_path
    if shutil.which("pyenv") is not None:
        for each in _told_by("pyenv", "whence", name):
            for prefix in _told_by("pyenv", "prefix", each):
                yield os.path.join(prefix, "bin", name)


def _told_by(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True).stdout.split()


def _oldest(allowed: SpecifierSet) -> str:
    (bound,) = (each.version for each in allowed if each.operator == ">=")
    return bound if bound.count(".") == 2 else f"{bound}.0"


def _environment(python: str, name: str, sdk: str) -> Path:
    """A virtual environment with timeskip, what its tests need, and that version of the SDK."""
    directory = _ENVIRONMENTS / name
    if not directory.exists():
        subprocess.run([python, "-m", "venv", directory], check=True)
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade")
    subprocess.run(
        [str(directory / "bin" / "python"), *install, "--editable", f"{_ROOT}[test]", sdk],
        check=True,
    )
    return directory


def _sdk_of(environment: Path) -> str:
    tell = "import importlib.metadata as m; print(m.version('temporalio'))"
    (version,) = _told_by(str(environment / "bin" / "python"), "-c", tell)
    return version


def _passes(environment: Path, arguments: list[str]) -> bool:
    scripts = environment / "bin"
    ignored = [f"--ignore={path}" for path in _NOT_FOR_EVERY_SDK]
    command = [str(scripts / "python"), "-m", "pytest", "-q", *ignored]
    path = f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"
    run = subprocess.run([*command, *arguments], cwd=_ROOT, env={**os.environ, "PATH": path})
    return run.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
