"""The SDK that users have installed: its core is the one to be like."""

from __future__ import annotations

import importlib.metadata

#: What workers call their SDK in histories.
NAME = "temporal-python"
#: Looked up once, because it takes some milliseconds.
VERSION = importlib.metadata.version("temporalio")


def is_before(major: int, minor: int) -> bool:
    """Whether the SDK is older than this release; those that lead up to a release count as it."""
    installed = VERSION.split(".")
    return (int(installed[0]), int(installed[1])) < (major, minor)
