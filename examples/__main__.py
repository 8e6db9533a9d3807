"""`python -m examples`: runs the examples' tests and tells what their workflows did, and when."""

import sys
from pathlib import Path

import pytest
from rich.console import Console

from examples.demo.recorder import Recorder

EXAMPLES = ("greeting", "order_saga", "subscription", "approval")


def main() -> int:
    """Returns pytest's exit code."""
    folder = Path(__file__).parent
    recorder = Recorder()
    code = pytest.main(
        ["--no-header", "-p", "no:cacheprovider", *(str(folder / name) for name in EXAMPLES)],
        plugins=[recorder],
    )
    # Not before: pytest wants to be the first to import what belongs to one of its plugins.
    from examples.demo.summary import print_summary

    print_summary(Console(highlight=False), recorder.tests)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
