"""`python -m examples`: runs the examples' tests and tells what their workflows did, and when."""

import argparse
import sys
from pathlib import Path

import pytest
from rich.console import Console

from examples.demo.recorder import Recorder

EXAMPLES = ("greeting", "order_saga", "subscription", "approval", "digest")


def _chosen_examples() -> list[str]:
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__)
    parser.add_argument("example", nargs="*", help=f"of {', '.join(EXAMPLES)}; all unless given")
    chosen: list[str] = parser.parse_args().example
    unknown = sorted(set(chosen) - set(EXAMPLES))
    if unknown:
        parser.error(f"there is no example {', '.join(unknown)}")
    return chosen or list(EXAMPLES)


def main() -> int:
    """Returns pytest's exit code."""
    folder = Path(__file__).parent
    recorder = Recorder()
    code = pytest.main(
        [
            "--no-header",
            "-p",
            "no:cacheprovider",
            *(str(folder / name) for name in _chosen_examples()),
        ],
        plugins=[recorder],
    )
    # Not before: pytest wants to be the first to import what belongs to one of its plugins.
    from examples.demo.summary import print_summary

    print_summary(Console(highlight=False), recorder.tests)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
