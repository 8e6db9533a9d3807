"""Runs suites that start the SDK's own test environments on simulations instead."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

import timeskip


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    """`--timeskip-environments`, and the setting that is its default."""
    group.addoption(
        "--timeskip-environments",
        choices=["yes", "no"],
        help="Whether `WorkflowEnvironment.start_time_skipping()` and `start_local()` start simulations "
        "instead of Temporal's servers (the default: no).",
    )
    parser.addini(
        "timeskip_environments",
        "Default of --timeskip-environments (default: false).",
        type="bool",
        default=False,
    )


def configure(config: pytest.Config, options: Callable[[], dict[str, Any]]) -> None:
    """Replace them until pytest ends, if that is wanted, by simulations with these options."""
    chosen = config.getoption("--timeskip-environments")
    if config.getini("timeskip_environments") if chosen is None else chosen == "yes":
        stack = ExitStack()
        stack.enter_context(timeskip.environments_replaced(**options()))
        config.add_cleanup(stack.close)
