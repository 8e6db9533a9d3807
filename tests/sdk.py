"""Which SDK is installed: it may be the oldest that is supported."""

from __future__ import annotations

import importlib.metadata

import pytest
from packaging.version import Version

_VERSION = Version(importlib.metadata.version("temporalio"))


def is_before(version: str) -> bool:
    """Whether the SDK is older than that."""
    return Version(version) > _VERSION


def needs(version: str, why: str) -> pytest.MarkDecorator:
    """Leaves a test out if the SDK is older; `why`: what those before could not do."""
    return pytest.mark.skipif(is_before(version), reason=f"before {version} {why}")
