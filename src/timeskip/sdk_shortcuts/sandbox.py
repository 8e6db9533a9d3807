"""The SDK's sandbox, which compiles the few lines that enter it once and not each time."""

from __future__ import annotations

import threading
from functools import lru_cache
from types import CodeType
from typing import Any, cast

from temporalio.worker.workflow_sandbox._runner import _Instance


class QuickSandbox(_Instance):
    """One workflow run in the sandbox."""

    def _run_code(self, code: str, **extra_globals: Any) -> None:
        is_nested, _here.is_entered = is_entered(), True
        try:
            # It is given to `exec`, which takes either.
            super()._run_code(cast(str, _compiled(code)), **extra_globals)
        finally:
            _here.is_entered = is_nested


_here = threading.local()


def is_entered() -> bool:
    """Whether this thread is in such a sandbox. Those of other environments stay as they are."""
    return getattr(_here, "is_entered", False)


@lru_cache(maxsize=256)
def _compiled(code: str) -> CodeType:
    return compile(code, "<string>", "exec")
