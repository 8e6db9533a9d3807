"""Shared by all tests."""

from __future__ import annotations

import os
import sysconfig

pytest_plugins = ["pytester"]

# The real servers, `temporal` and `temporal-test-server`, stand beside the interpreter, whose
# directory is on the path only if the environment is activated.
os.environ["PATH"] = sysconfig.get_path("scripts") + os.pathsep + os.environ.get("PATH", "")
