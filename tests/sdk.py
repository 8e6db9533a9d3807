"""Which SDK is installed: it may be the oldest that is supported."""

from __future__ import annotations

import importlib.metadata

import pytest
from packaging.version import Version

VERSION = Version(importlib.metadata.version("temporalio"))


def needs(version: str, why: str) -> pytest.MarkDecorator:
    """Leaves a test out if the SDK is older; `why`: what those before could not do."""
    return pytest.mark.skipif(Version(version) > VERSION, reason=f"before {version} {why}")
